/** The titles of the sample networks; the worker builds them. */
export const sampleTitles = [
  { id: 'teacher', title: 'MNIST teacher' },
  { id: 'resnet', title: 'Residual network' },
  { id: 'inception', title: 'Inception block' },
  { id: 'perceptron', title: 'Perceptron' },
] as const
