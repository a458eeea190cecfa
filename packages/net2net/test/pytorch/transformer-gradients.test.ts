/** Transformers, exported by PyTorch of today, have PyTorch's gradients. */
import { describe } from 'vitest'
import { judgeGroup } from './judge.ts'

describe('gradients', () => {
  judgeGroup('transformer')
  judgeGroup('older')
  judgeGroup('transformers')
})
