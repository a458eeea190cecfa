/** Growth on the way: the network of an arm goes to the Grow tab, and what grows there comes back as a new arm. */
import { computed, signal } from '@preact/signals'
import { keepFile } from '../../engine/files.ts'
import { stepsOf } from '../../engine/steps.ts'
import { grown as grownModel, modelParam } from '../../grow/model.ts'
import { settings as growSettings, noGrowth } from '../../grow/settings.ts'
import { setParams } from '../../state.ts'
import { arms, ran } from './arms.ts'
import { samplesSeen, settings } from './choices.ts'
import { snapshotOf } from './events.ts'
import { addGrown, trainingId } from './model.ts'
import type { Snapshot } from './protocol.ts'

/** An arm that is to grow on its way, and the name of its network on the Grow tab. */
const asked = signal<
  | {
      readonly training: string | undefined
      readonly arm: number
      readonly snapshot: Snapshot
      readonly model: string
    }
  | undefined
>(undefined)

/** As long as there is this training. */
export const growing = computed(() =>
  arms.value.length > 0 && asked.value?.training === trainingId() ? asked.value : undefined,
)

/** Opens the network of an arm, as it is now, on the Grow tab; what is grown there goes on from this moment. */
export async function growFurther(id: number): Promise<void> {
  const training = trainingId()
  const snapshot = await snapshotOf(id)
  if (snapshot === undefined) return
  const stem = (ran.peek()?.name ?? 'network').replace(/\.\w+$/, '')
  const name = `${stem}-${snapshot.state.step}.onnx`
  const model = `file:${await keepFile({ name, bytes: snapshot.model })}:${name}`
  // It was reset meanwhile.
  if (trainingId() !== training) return
  asked.value = { training, arm: id, snapshot, model }
  setParams({ tab: 'grow', model, ...noGrowth }, { push: true })
}

/** Whether what the Grow tab shows is an arm's network that has grown there. */
export const canJoin = computed(
  () =>
    growing.value !== undefined &&
    growing.value.model === modelParam.value &&
    grownModel.value !== undefined,
)

/** The grown network of the Grow tab becomes an arm, and goes on from where the one that it grew from stood. */
export function join(): void {
  const from = growing.peek()
  const parent = arms.peek().find(({ id }) => id === from?.arm)
  if (from === undefined || parent === undefined) return
  asked.value = undefined
  const { snapshot } = from
  const { step } = snapshot.state
  const seen = samplesSeen(ran.peek() ?? settings.peek())
  const number = arms.peek().filter(({ stepsBefore }) => stepsBefore > 0).length + 2
  void addGrown(
    {
      title: `grown, ${number}`,
      from: parent.from + seen(step) - seen(parent.stepsBefore),
      stepsBefore: step,
    },
    {
      model: snapshot.model,
      grown: { from: snapshot, steps: stepsOf(growSettings.peek()) },
    },
  )
  setParams({ tab: 'train', what: 'own' }, { push: true })
}
