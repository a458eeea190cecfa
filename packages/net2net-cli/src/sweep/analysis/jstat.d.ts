/** The part of jStat that is used here; the package brings no types. */
declare module 'jstat' {
  interface StudentT {
    /** Probability of a value up to t, for so many degrees of freedom. */
    cdf(t: number, degrees: number): number
    /** The quantile of a probability. */
    inv(probability: number, degrees: number): number
  }
  const jStat: {
    readonly studentt: StudentT
    mean(values: readonly number[]): number
    /** With `true`, of a sample: divided by n − 1. */
    stdev(values: readonly number[], sample: boolean): number
  }
  export default jStat
}
