/** Modules of all kinds, exported by PyTorch of today, have PyTorch's gradients. */
import { describe } from 'vitest'
import { judgeGroup } from './judge.ts'

describe('gradients', () => {
  judgeGroup('convolution')
  judgeGroup('arithmetic')
  judgeGroup('functions')
  judgeGroup('recurrent')
})
