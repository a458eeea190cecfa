/**
 * The validation losses of the Keras example of Net2Net on MNIST after epochs 1 to 3: what a run
 * with its settings is compared with.
 */
export const seedLosses: Readonly<Record<string, readonly number[]>> = {
  teacher: [0.0537, 0.0354, 0.0356],
  wider_random_pad: [0.032, 0.0317, 0.0289],
  wider_net2wider: [0.0271, 0.0274, 0.027],
  deeper_random_init: [0.0682, 0.0506, 0.0468],
  deeper_net2deeper: [0.0292, 0.0294, 0.0286],
}
