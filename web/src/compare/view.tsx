export const CompareView = () => <p class="pad muted">…</p>
