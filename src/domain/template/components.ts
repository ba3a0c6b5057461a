import type { TemplateDefinition } from './events.ts'

/** Meta's JSON of a component, a button or a card, as loose as it may come: types are written in capitals or not, unknown fields stay. */
export type Loose = Readonly<Record<string, unknown>>

export const isLoose = (value: unknown): value is Loose => typeof value === 'object' && value !== null && !Array.isArray(value)
export const listOf = (value: unknown): readonly Loose[] => (Array.isArray(value) ? value.filter(isLoose) : [])
export const upper = (value: unknown): string => (typeof value === 'string' ? value.toUpperCase() : '')
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

const placeholder = /\{\{\s*([A-Za-z0-9_]+)\s*\}\}/g

/** The names in `{{1}}` or `{{first_name}}`, in the order in which they first appear. */
export const variablesOf = (text: unknown): readonly string[] => [...new Set([...textOf(text).matchAll(placeholder)].map((match) => match[1] ?? ''))]

/** Puts values in place of variables; one without a value stays as it is. */
export const fill = (text: unknown, values: ReadonlyMap<string, string>): string =>
  textOf(text).replaceAll(placeholder, (whole, name: string) => values.get(name) ?? whole)

export const componentOf = (components: readonly Loose[], type: string): Loose | undefined => components.find((one) => upper(one['type']) === type)
export const buttonsOf = (components: readonly Loose[]): readonly Loose[] => listOf(componentOf(components, 'BUTTONS')?.['buttons'])
export const cardsOf = (components: readonly Loose[]): readonly Loose[] => listOf(componentOf(components, 'CAROUSEL')?.['cards'])
export const looseComponents = (definition: Pick<TemplateDefinition, 'components'>): readonly Loose[] => listOf(definition.components)

/** As people count characters: an emoji is one. */
export const lengthOf = (text: string): number => Array.from(text).length
