/** Data sets: MNIST, Fashion-MNIST, NumPy files, tables, pictures. */
export { type ArraysOptions, datasetOfArrays } from './arrays.ts'
export { type CsvOptions, parseCsv } from './csv.ts'
export {
  ArrayDataset,
  type Batch,
  type Column,
  type ColumnShape,
  type Dataset,
  split,
} from './dataset.ts'
export { digitsDataset } from './digits.ts'
export { decodeIdx } from './idx.ts'
export { type ImagesOptions, loadImages } from './image-folder.ts'
export { type LoadedData, type LoadOptions, loadData } from './load-node.ts'
export {
  type DigitsOptions,
  loadFashionMnist,
  loadMnist,
  type TrainTest,
} from './mnist-node.ts'
export { decodeNpy, decodeNpz, encodeNpy, encodeNpz } from './npy.ts'
