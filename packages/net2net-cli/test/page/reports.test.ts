import { chromium } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { executable } from '../../../net2net/testing/browser.ts'
import { sweepHtml } from '../../src/sweep/report/report.ts'
import { madeRecord } from '../../testing/record.ts'
import { noBrowser } from './support.ts'

describe.skipIf(noBrowser)('the report of a sweep', () => {
  it('fits a phone: what is wider scrolls in a box of its own', async () => {
    const wider = 'wider_net2wider_whose_name_has_no_space_to_be_broken_at'
    const deeper = 'deeper_net2deeper_whose_name_has_no_space_to_be_broken_at'
    const losses = [0, 1, 2].map((seed) => [2, 1.5 + seed / 10, 1 + seed / 20])
    const record = madeRecord(
      [
        { arm: 'teacher', losses },
        { arm: wider, from: 'teacher', losses: losses.map((all) => all.map((x) => x * 0.9)) },
        { arm: deeper, from: 'teacher', losses },
      ],
      {
        name: 'an_experiment_whose_name_has_no_space_to_be_broken_at',
        target: 1.4,
        compare: [[wider, deeper]],
      },
    )
    const message = `${'/a/folder/whose/name/is/long'.repeat(4)} is full.`
    const [trial] = record.plan.trials
    const failed = { ...record, results: new Map([...record.results].slice(1)) }
    const failures = new Map([[trial!.id, { id: trial!.id, kind: 'input', message }]])
    const browser = await chromium.launch({
      executablePath: executable!,
      args: ['--headless', '--no-sandbox', '--disable-gpu'],
    })
    try {
      const page = await browser.newPage({ viewport: { width: 375, height: 800 } })
      await page.setContent(await sweepHtml({ ...failed, failures }))
      const { width, tables } = await page.evaluate(() => ({
        width: document.documentElement.scrollWidth,
        tables: [...document.querySelectorAll('table')].map((table) => {
          const box = table.parentElement!
          box.scrollLeft = 10_000
          const end = table.getBoundingClientRect().right
          return { wider: table.scrollWidth > 375, reached: Math.round(end - box.clientWidth) }
        }),
      }))
      expect(width).toBe(375)
      // Each can be scrolled to its end, which is then at the right edge of its box.
      expect(tables).toEqual(tables.map(() => ({ wider: true, reached: 16 })))
      expect(tables.length).toBe(4)
    } finally {
      await browser.close()
    }
  })
})
