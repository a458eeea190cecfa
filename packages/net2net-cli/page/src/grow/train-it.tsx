import { setParams } from '../state.ts'
import { t } from '../text/text.ts'
import { arms } from '../train/own/arms.ts'
import { canJoin, growing, join } from '../train/own/further.ts'
import { grown, opened } from './model.ts'

/** Trains what has grown, beside the network that it grew from; or goes on with a training that it grew in. */
export function TrainIt() {
  if (opened.value === undefined) return null
  if (canJoin.value)
    return (
      <button type="button" class="primary" onClick={join}>
        {t('Go on training with this')}
      </button>
    )
  const isOfArm = growing.value !== undefined
  return (
    <button
      type="button"
      class={grown.value && !isOfArm ? 'primary' : ''}
      title={arms.value.length > 0 ? t('A training is there already: it is shown.') : ''}
      onClick={() => setParams({ tab: 'train', what: 'own' }, { push: true })}
    >
      {t('Train it')}
    </button>
  )
}
