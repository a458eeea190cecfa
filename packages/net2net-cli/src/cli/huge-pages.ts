const setting = 'glibc.malloc.hugetlb'

/**
 * What `GLIBC_TUNABLES` has to be for the C library to ask Linux for huge pages: kernels that move data look up fewer pages then, and training steps
 * take 1 to 10% less. It reads them when a process starts, so this is for processes to come: those that train for `mnist`, `sweep` and
 * `explore`. What the user says of huge pages stays. Other systems and C libraries do not read it.
 * https://www.gnu.org/software/libc/manual/html_node/Memory-Allocation-Tunables.html
 */
export const withHugePages = (given = ''): string =>
  given.includes(`${setting}=`) ? given : `${given === '' ? '' : `${given}:`}${setting}=1`
