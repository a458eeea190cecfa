export { accumulated } from './accumulate.ts'
export { type AdafactorOptions, adafactor } from './adafactor.ts'
export { type AdagradOptions, adagrad } from './adagrad.ts'
export { type AdamOptions, adam, adamw } from './adam.ts'
export { averaged } from './average.ts'
export { type LionOptions, lion } from './lion.ts'
export { type MuonOptions, muon } from './muon.ts'
export type {
  Gathered,
  Optimizer,
  ParameterKind,
  Slot,
  Update,
  UpdateContext,
  UpdateRule,
} from './optimizer.ts'
export { type RmspropOptions, rmsprop } from './rmsprop.ts'
export { type SgdOptions, sgd } from './sgd.ts'
