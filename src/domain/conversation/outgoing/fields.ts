import { z } from 'zod'

/** As people count characters, and Meta does: by code points. `length` settles all but the long texts. */
const fits = (text: string, max: number): boolean => text.length <= max || Array.from(text).length <= max

/** A text that must not be empty. */
export const text = (max: number) =>
  z
    .string()
    .min(1)
    .refine((value) => fits(value, max), { error: `must be at most ${max} characters long` })
    .meta({ maxLength: max })

/** A text that may be left out. */
export const optionalText = (max: number) =>
  z
    .string()
    .refine((value) => fits(value, max), { error: `must be at most ${max} characters long` })
    .meta({ maxLength: max })
    .optional()

export const link = z.url({ protocol: /^https?$/ }).max(2048)

export const distinct = <T>(items: readonly T[], of: (item: T) => string): boolean => new Set(items.map(of)).size === items.length
