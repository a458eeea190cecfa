/**
 * What random tests draw with. CI sets NET2NET_TEST_SEED from the hash of the packages, so that files
 * which passed once pass again, and other files are met by other draws. Without it every run draws anew.
 */
import fc from 'fast-check'

const given = process.env.NET2NET_TEST_SEED

/** Seed of the tests that draw without fast-check; print it where such a test fails. */
export const testSeed = given === undefined ? Date.now() % 2 ** 31 : Number(given)

if (given !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: testSeed })
