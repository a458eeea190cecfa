/**
 * What decides between decompositions: counts of elements times nanoseconds. The numbers are fitted to
 * kernel times of ONNX Runtime 1.30 on one core with AVX-512 (docs/lab/steps-of-any-network.md). Only their
 * ratios matter, and only where two forms differ by much. Nothing is timed when a session starts, so
 * that the same model gives the same bits.
 */
import type { Dim } from '../../model/model.ts'

export const costs = {
  /** Gathering the columns of a convolution, adding them up again, and what they push out of caches. */
  columns: 1,
  /** Bringing a convolution's weight into blocks, forward and turned round, and its gradient back. */
  weight: 2.85,
  /** What a convolution in the plain layout takes to lay out one row of outputs that a tap reads, with all threads or alone, and the nodes that columns take beside their elements. */
  windowRow: 5.5,
  windowRowAlone: 10,
  columnNodes: 150_000,
  /** … on images of any width: a row, with all threads or alone, and an element of it. */
  laidOutRow: 2,
  laidOutRowAlone: 7,
  laidOut: 0.07,
  /** Bringing an element of images into blocks that zeros fill, or out of them, both at once. */
  filled: 0.3,
  /** … and an element of a weight. */
  filledWeight: 2,
  /** Transposing a matrix. */
  matrix: 0.15,
  /** Transposing images so that channels or the batch change places, and moving their elements along rows. */
  exchanged: 0.4,
  /** Moving an element of images in blocks: whole images, and rows of them. */
  blocks: 0.1,
  /** Bringing an element of a weight's gradient out of blocks. */
  outOfBlocks: 1,
  /** What it saves that a gradient stays in blocks: the weight does too, and is not brought there for its convolutions. */
  keptInBlocks: 1,
  /** An element of the tiles of an image whose rows are filtered: by a product, and as much for each row that this reads, and for each channel, in the products of its block; or for each tap of a convolution, and to put tiles side by side; and one of the filtered weight. */
  tiled: 0.2,
  tiledRow: 0.015,
  tiledChannel: 4,
  tap: 0.04,
  joinedTiles: 0.15,
  filteredWeight: 0.5,
  /** A convolution that gives tiles, beside its arithmetic. */
  tileNode: 3000,
  /** The nodes that filtering takes beside a convolution. */
  filteredNodes: 30_000,
  /** The nodes that each product takes of a convolution that computes two rows at once, beside its arithmetic. */
  pairedNodes: 22_500,
  /** Reading an element that has left the caches. */
  away: 0.25,
  /** Moving a row, beside its elements. */
  row: 1.2,
  /** Gathering a short row, and one that gets zeros beside it, beside their elements. */
  gatheredRow: 3,
  paddedRow: 12,
  /** Concatenating products and transposing them as matrices. */
  joined: 0.5,
  /** Transposing the taps of each filter once more (0.4), and what products lose whose second factor is the narrower one. */
  turned: 4,
  /** A multiply-add of a convolution whose outputs have few columns. */
  fewColumns: 0.0118,
  /** Repacking an element of a product's second factor. */
  repacked: 0.15,
  /** A multiply-add of a large product. */
  product: 0.01,
  /** … of a convolution with a single block of filters, or with one in each group. */
  narrowProduct: 0.012,
  /** Reading an element of a product's first factor once more. */
  readAgain: 0.1,
  /** What a multiply-add costs more where the lines of a product's factors share places of the cache; see `zerosPutApart`. */
  collision: 0.0025,
  /** Copying an element behind which there are to be zeros. */
  padded: 0.4,
  /** What a multiply-add costs more in the small product of a step than in a large one. */
  stepProduct: 0.0035,
  /** Writing a sum of all steps, and reading it again as what a step's product is added to. */
  sums: 1,
  /** A node that computes little, among the nodes of a Scan. */
  stepNode: 1000,
  /** In WebAssembly (docs/lab/steps-in-webassembly.md): a multiplication and addition, and moving an element to another layout. */
  multiplied: 0.06,
  moved: 0.75,
} as const

/** Filters of a single block leave some of the vector registers unused. */
const narrowFilters = 16

/** Nanoseconds of a multiply-add of a convolution in blocks, with so many filters in each group. */
export const productInBlocks = (filters: number): number =>
  filters <= narrowFilters ? costs.narrowProduct : costs.product

/** The batch that forms are chosen for where a model leaves its batch open. */
const usualBatch = 32

export const positionsOf = (batch: Dim): number => (typeof batch === 'number' ? batch : usualBatch)

/** Numbers of float32 after which addresses share a place in a first-level cache: 4 KiB. */
const cachePeriod = 1024

/**
 * Do lines of so many float32 numbers share the places of the cache, and do not with so many zeros behind each? A product reads a dozen lines of its
 * first factor at once, and a cache has eight to twelve places for addresses that lie a multiple of 4 KiB apart.
 */
export const zerosPutApart = (length: number, zeros: number): boolean =>
  length % cachePeriod === 0 && (length + zeros) % cachePeriod !== 0
