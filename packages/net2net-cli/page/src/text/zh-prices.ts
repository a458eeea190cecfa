/** Prices and budgets in Chinese. */
export const prices: Readonly<Record<string, string>> = {
  'not shown': '不显示',
  '{0} ({1} of all)': '{0}（占全部的 {1}）',
  'Which layers': '哪些层',
  'where new units gain most': '新单元收益最大的',
  'all alike': '全部同样',
  'All layers alike.': '所有层同样扩展。',
  'All layers alike, since gains are not known: {0}': '所有层同样扩展，因为收益未知：{0}',
  'By what new units gain on {0} samples.': '按新单元在 {0} 个样本上的收益。',
  'No layer more than doubles by that; what the budget leaves goes to all layers alike.':
    '按收益没有层会超过两倍；剩下的预算由所有层同样分享。',
}
