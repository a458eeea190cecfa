/** Two lives: one network and ever more of the same data, and one that meets new classes. */
import type { Model } from 'net2net'
import { ArrayDataset, loadFashionMnist, loadMnist, split } from 'net2net/data'
import type { Portion } from 'net2net/growing'
import { conv2d, dense, flatten, maxPool2d, sequential } from 'net2net/layers'

export interface Setting {
  readonly name: 'portions' | 'classes'
  readonly title: string
  /** What has arrived at each portion, in words. */
  readonly portions: readonly string[]
  /** Passes over a portion: of a network that learns on, and of one that is trained from scratch on all that there is. */
  readonly epochs: { readonly on: readonly number[]; readonly scratch: readonly number[] }
  data(seed: number): Promise<readonly Arrival[]>
}

/** What there is when a portion has arrived. */
export interface Arrival {
  /** What a network that learns on is trained on. */
  readonly next: Pick<Portion, 'data' | 'replay'>
  /** Everything so far. */
  readonly all: ArrayDataset
  /** Held out, of the classes so far: for decisions on the way, and for the figures. */
  readonly validation: ArrayDataset
  readonly test: ArrayDataset
  /** How many classes there are so far. */
  readonly classes: number
}

/** Of the ten thousand test images, those for decisions on the way. */
const forDecisions = 2000

export const small = 6
export const large = 16

/** Conv w – pool – conv 2w – pool – dense 4w – dense. */
export const network = (width: number, classes: number, seed: number): Model =>
  sequential(
    [
      conv2d(width, 3, { name: 'conv1', activation: 'relu' }),
      maxPool2d(2),
      conv2d(2 * width, 3, { name: 'conv2', activation: 'relu' }),
      maxPool2d(2),
      flatten(),
      dense(4 * width, { name: 'fc1', activation: 'relu' }),
      dense(classes, { name: 'fc2' }),
    ],
    { input: [1, 28, 28], seed },
  )

/** The widths of the network that a person would choose for this portion. */
export const widthByHand = (portion: number): number => [small, small, 8, 11, large][portion]!

/** @param scale of the number of images: 1 is all of them */
export const settings = (scale: number): readonly Setting[] => [
  {
    name: 'portions',
    title: 'Ever more images of Fashion-MNIST',
    portions: [1000, 3000, 10_000, 30_000, 60_000].map(
      (count) => `${Math.round(count * scale).toLocaleString('en')} images`,
    ),
    epochs: { on: [16, 12, 8, 5, 4], scratch: [16, 16, 10, 6, 5] },
    async data(seed) {
      const { train, test } = await loadFashionMnist()
      const images = shuffled(train, seed)
      const held = {
        validation: test.slice(0, forDecisions),
        test: test.slice(forDecisions, 10_000),
      }
      return [1000, 3000, 10_000, 30_000, 60_000].map((count) => {
        const all = images.slice(0, Math.round(count * scale))
        return { next: { data: all }, all, ...held, classes: 10 }
      })
    },
  },
  {
    name: 'classes',
    title: `Digits of MNIST, two more at a time, ${Math.round(10_000 * scale).toLocaleString('en')} images in all`,
    portions: ['0 and 1', '2 and 3', '4 and 5', '6 and 7', '8 and 9'],
    epochs: { on: [8, 4, 4, 4, 4], scratch: [8, 8, 8, 8, 8] },
    async data(seed) {
      const { train, test } = await loadMnist()
      const images = shuffled(train, seed).slice(0, Math.round(10_000 * scale))
      return Array.from({ length: 5 }, (_, portion): Arrival => {
        const classes = 2 * portion + 2
        const old = ofClasses(images, 0, classes - 2)
        return {
          next: {
            data: ofClasses(images, classes - 2, classes),
            ...(portion > 0 && { replay: { data: old, share: 0.5 } }),
          },
          all: ofClasses(images, 0, classes),
          validation: ofClasses(test.slice(0, forDecisions), 0, classes),
          test: ofClasses(test.slice(forDecisions, 10_000), 0, classes),
          classes,
        }
      })
    },
  },
]

/** All samples in random order. */
const shuffled = (data: ArrayDataset, seed: number): ArrayDataset => split(data, 1, seed).test

/** The samples of the classes [from, to), which have no names but their numbers. */
function ofClasses(data: ArrayDataset, from: number, to: number): ArrayDataset {
  const labels = [...data.target.data].map(Number)
  const chosen = labels.flatMap((label, i) => (label >= from && label < to ? [i] : []))
  const { inputs, target } = data.pick(chosen)
  return new ArrayDataset(inputs, target)
}
