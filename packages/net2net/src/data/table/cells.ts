/** What a cell of a table says. */

export const isNumber = (field: string): boolean => field !== '' && Number.isFinite(Number(field))

/** What programs write where a number is missing. */
export const isMissing = (field: string): boolean => /^(na|n\/a|nan|null|none|\?|-)$/i.test(field)

export const hasDecimalComma = (field: string): boolean => /^[+-]?\d+,\d+$/.test(field)
