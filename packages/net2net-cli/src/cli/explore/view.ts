/** What is shown of an exploration while it runs: how much of the budget is spent, and each network that trains. */
import type {
  Budget,
  Exploration,
  ExplorationEvent,
  RungOutcome,
  RungProgress,
} from 'net2net/exploring'
import { networkTitle, stepText } from '../../exploration/words.ts'
import type { Progress, Task } from '../progress.ts'

export interface ExplorationView {
  begin(exploration: Exploration): void
  event(event: ExplorationEvent, exploration: Exploration): void
  progress(progress: RungProgress): void
  note(text: string): void
  stop(): void
}

export function explorationView(view: Progress, budget: Budget): ExplorationView {
  const running = new Map<string, Task>()
  const total = budget.seconds ?? budget.steps ?? budget.trials ?? 1
  let whole: Task | undefined
  const spent = ({ spent: now }: Exploration) =>
    Math.min(
      total,
      budget.seconds !== undefined
        ? now.seconds
        : budget.steps !== undefined
          ? now.steps
          : now.trials,
    )
  return {
    begin(exploration) {
      const { trials } = exploration.spent
      if (trials > 0) view.line(`Going on: ${trials} networks so far.`)
      whole = view.task('exploring', total)
      whole.update(spent(exploration))
    },
    event(event, exploration) {
      whole?.update(spent(exploration), `${exploration.front.length} on the front`)
      if (event.kind !== 'finish') return
      const title = networkTitle(event)
      running.get(title)?.stop()
      running.delete(title)
      const { growth } = event.job
      const from = growth ? ` from ${growth.parent.network}` : ''
      const text = outcomeText(event.outcome)
      if (text !== undefined) view.line(`${title}${from}: ${text}`)
    },
    progress(made) {
      const title = networkTitle(made)
      const task = running.get(title) ?? view.task(title, made.steps)
      running.set(title, task)
      task.update(made.step, `loss ${made.loss.toFixed(4)}`)
    },
    note: (text) => view.line(text),
    stop() {
      view.stop()
    },
  }
}

/** Nothing for what is no network. */
function outcomeText(outcome: RungOutcome): string | undefined {
  if (outcome.kind === 'exhausted') return undefined
  const grown = outcome.grown ? `${stepText(outcome.grown)}: ` : ''
  switch (outcome.kind) {
    case 'trained': {
      const { loss, metrics = {}, parameters } = outcome
      const measured = Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`)
      return [
        `${grown}val_loss ${loss.toFixed(4)}`,
        ...measured,
        `${parameters.toLocaleString('en')} parameters`,
      ].join('  ')
    }
    case 'beyond':
      return `${grown}beyond the limit of ${outcome.limit} (${outcome.value.toFixed(3)})`
    case 'failed':
      return `${grown}failed: ${outcome.message}`
  }
}
