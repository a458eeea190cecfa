/** The choice of where to train. */
import { t } from '../text/text.ts'
import { type DeviceSetting, deviceSetting } from './protocol.ts'

export function DeviceField({
  value,
  disabled,
  onValue,
}: {
  value: DeviceSetting
  disabled: boolean
  onValue: (value: DeviceSetting) => void
}) {
  return (
    <label class="field">
      <span>{t('Device')}</span>
      <select
        disabled={disabled}
        value={value}
        onChange={({ currentTarget }) => onValue(deviceSetting(currentTarget.value))}
      >
        <option value="auto">{t('the faster one')}</option>
        <option value="cpu">{t('CPU')}</option>
        <option value="webgpu">{t('WebGPU')}</option>
      </select>
    </label>
  )
}
