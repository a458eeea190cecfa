export const TrainView = () => <p class="pad muted">…</p>
