import { expect, test } from 'vitest'
import { withHugePages } from './huge-pages.ts'

test('the C library is asked for huge pages, beside what the user asks of it', () => {
  expect(withHugePages(undefined)).toBe('glibc.malloc.hugetlb=1')
  expect(withHugePages('')).toBe('glibc.malloc.hugetlb=1')
  expect(withHugePages('glibc.malloc.arena_max=2')).toBe(
    'glibc.malloc.arena_max=2:glibc.malloc.hugetlb=1',
  )
})

test('what the user says of huge pages stays', () => {
  const given = 'glibc.malloc.hugetlb=0:glibc.malloc.arena_max=2'
  expect(withHugePages(given)).toBe(given)
})
