import { z } from 'zod'
import { isLoose, lengthOf, listOf, textOf, upper, variablesOf, type Loose } from './components.ts'
import type { TemplateDefinition } from './events.ts'

/**
 * What a template may be, by Meta's rules (Graph v26, message_templates), checked before Meta is asked: a mistake is answered at once, with its path,
 * and does not use up one of the hundred creations an hour. What the rules leave open is Meta's to judge.
 */
export const templateCategories = ['MARKETING', 'UTILITY', 'AUTHENTICATION'] as const

export const templateName = z
  .string()
  .regex(/^[a-z0-9_]+$/, 'must have lowercase letters, digits and underscores only')
  .max(512)
/** `es`, `pt_BR`: Meta's own codes. */
export const templateLanguage = z
  .string()
  .max(10)
  .regex(/^[a-z]{2,3}(_[A-Z]{2,4})?$/, 'must be a language code of Meta such as es, en_US or pt_BR')

/** How long Meta may keep trying to deliver, in seconds, by category; -1 stands for 30 days. */
const lifetimes: Readonly<Record<(typeof templateCategories)[number], { readonly least: number; readonly most: number; readonly endless: boolean }>> =
  {
    AUTHENTICATION: { least: 30, most: 900, endless: true },
    UTILITY: { least: 30, most: 43_200, endless: true },
    MARKETING: { least: 43_200, most: 2_592_000, endless: false },
  }

export type DefinitionMistake = { readonly path: readonly (string | number)[]; readonly message: string }

/** The part of a create or edit request that Meta reviews. Types come out in capitals, as Meta lists them. */
export const templateDefinition = z
  .object({
    category: z.enum(templateCategories),
    parameterFormat: z.enum(['positional', 'named']).default('positional'),
    components: z
      .array(z.looseObject({ type: z.string() }))
      .min(1)
      .max(10),
    messageSendTtlSeconds: z.int().optional(),
  })
  .transform((given) => ({ ...given, components: given.components.map(inCapitals) as TemplateDefinition['components'] }))

/** Every mistake of a definition whose shape is right. */
export function definitionMistakes(definition: TemplateDefinition): readonly DefinitionMistake[] {
  const found: DefinitionMistake[] = []
  const components = listOf(definition.components)
  const say = (path: readonly (string | number)[], message: string): void => void found.push({ path, message })
  checkTtl(definition, say)
  const types = components.map((component) => upper(component['type']))
  if (!types.includes('BODY')) say(['components'], 'must have a BODY')
  for (const [index, component] of components.entries()) {
    const at = ['components', index]
    const type = upper(component['type'])
    if (types.indexOf(type) !== index) say([...at, 'type'], `${type} is there twice`)
    checkComponent(component, { definition, at, say, inCard: false })
  }
  return found
}

type Say = (path: readonly (string | number)[], message: string) => void
type Place = {
  readonly definition: TemplateDefinition
  readonly at: readonly (string | number)[]
  readonly say: Say
  /** The cards of a carousel are small templates with narrower limits. */
  readonly inCard: boolean
}

const inCapitals = (component: Loose): Loose => ({
  ...component,
  type: upper(component['type']),
  ...('format' in component ? { format: upper(component['format']) } : {}),
  ...(Array.isArray(component['buttons']) ? { buttons: (component['buttons'] as unknown[]).map((one) => (isLoose(one) ? typed(one) : one)) } : {}),
  ...(Array.isArray(component['cards'])
    ? {
        cards: (component['cards'] as unknown[]).map((card) =>
          isLoose(card) ? { ...card, components: listOf(card['components']).map(inCapitals) } : card,
        ),
      }
    : {}),
})
const typed = (button: Loose): Loose => ({ ...button, type: upper(button['type']) })

function checkTtl({ category, messageSendTtlSeconds: ttl }: TemplateDefinition, say: Say): void {
  const limits = lifetimes[category as keyof typeof lifetimes]
  if (ttl === undefined || limits === undefined || (ttl === -1 && limits.endless)) return
  if (ttl < limits.least || ttl > limits.most) say(['messageSendTtlSeconds'], `must be ${limits.least} to ${limits.most} for ${category}`)
}

function checkComponent(component: Loose, place: Place): void {
  const { at, say, inCard } = place
  const type = upper(component['type'])
  switch (type) {
    case 'HEADER':
      return checkHeader(component, place)
    case 'BODY':
      return checkBody(component, place)
    case 'BUTTONS':
      return checkButtons(component, place)
    case 'FOOTER':
    case 'CAROUSEL':
    case 'LIMITED_TIME_OFFER':
    case 'CALL_PERMISSION_REQUEST':
      if (inCard) return say([...at, 'type'], 'a card has a HEADER, a BODY and BUTTONS only')
      if (type === 'FOOTER') return checkFooter(component, place)
      if (type === 'CAROUSEL') return checkCarousel(component, place)
      if (type === 'LIMITED_TIME_OFFER') return checkOffer(component, place)
      return undefined
    default:
      return say([...at, 'type'], 'must be HEADER, BODY, FOOTER, BUTTONS, CAROUSEL, LIMITED_TIME_OFFER or CALL_PERMISSION_REQUEST')
  }
}

const headerFormats = ['TEXT', 'IMAGE', 'VIDEO', 'DOCUMENT', 'GIF', 'LOCATION']

function checkHeader(header: Loose, { definition, at, say, inCard }: Place): void {
  const format = upper(header['format'])
  const allowed = inCard ? ['IMAGE', 'VIDEO', 'PRODUCT'] : headerFormats
  if (!allowed.includes(format)) return say([...at, 'format'], `must be one of ${allowed.join(', ')}`)
  if (format === 'LOCATION' || format === 'PRODUCT') return
  const example = isLoose(header['example']) ? header['example'] : {}
  if (format !== 'TEXT') {
    const [handle] = Array.isArray(example['header_handle']) ? (example['header_handle'] as unknown[]) : []
    if (textOf(handle) === '') say([...at, 'example', 'header_handle'], 'must have the handle of an uploaded sample')
    return
  }
  if (!checkText(header['text'], 60, [...at, 'text'], say)) return
  if (variablesOf(header['text']).length > 1) say([...at, 'text'], 'may have one variable at most')
  checkVariables(header, 'header', { definition, at, say })
}

function checkBody(body: Loose, { definition, at, say, inCard }: Place): void {
  // Meta words authentication templates itself.
  if (definition.category === 'AUTHENTICATION') {
    if (body['text'] !== undefined) say([...at, 'text'], 'must be left out: Meta words authentication templates itself')
    return
  }
  if (checkText(body['text'], inCard ? 160 : 1024, [...at, 'text'], say)) checkVariables(body, 'body', { definition, at, say })
}

function checkFooter(footer: Loose, { definition, at, say }: Place): void {
  if (definition.category === 'AUTHENTICATION') {
    const minutes = footer['code_expiration_minutes']
    const fits = typeof minutes === 'number' && Number.isInteger(minutes) && minutes >= 1 && minutes <= 90
    if (!fits) say([...at, 'code_expiration_minutes'], 'must be 1 to 90')
    return
  }
  if (checkText(footer['text'], 60, [...at, 'text'], say) && variablesOf(footer['text']).length > 0) say([...at, 'text'], 'may not have variables')
}

/** True when there is a text that fits. */
function checkText(text: unknown, most: number, path: readonly (string | number)[], say: Say): boolean {
  if (typeof text !== 'string' || text === '') {
    say(path, 'is missing')
    return false
  }
  if (lengthOf(text) <= most) return true
  say(path, `must have at most ${most} characters`)
  return false
}

/** Positional variables count from 1 without a gap, named ones are lowercase words; each has an example, or Meta rejects the template. */
function checkVariables(component: Loose, part: 'header' | 'body', { definition, at, say }: Omit<Place, 'inCard'>): void {
  const variables = variablesOf(component['text'])
  if (variables.length === 0) return
  const example = isLoose(component['example']) ? component['example'] : {}
  if (definition.parameterFormat === 'named') {
    const wrong = variables.find((name) => !/^[a-z_][a-z0-9_]*$/.test(name))
    if (wrong !== undefined) return say([...at, 'text'], `{{${wrong}}} must be named in lowercase letters, digits and underscores`)
    const key = `${part}_text_named_params`
    const given = listOf(example[key]).filter((one) => textOf(one['example']) !== '')
    const absent = variables.find((name) => !given.some((one) => one['param_name'] === name))
    if (absent !== undefined) say([...at, 'example', key], `has no example for {{${absent}}}`)
    return
  }
  const numbers = variables.map(Number).toSorted((a, b) => a - b)
  if (numbers.some((number, index) => number !== index + 1)) {
    return say([...at, 'text'], 'variables must count from {{1}} without a gap (or set parameter_format to named)')
  }
  const key = `${part}_text`
  const list = Array.isArray(example[key]) ? (example[key] as unknown[]) : []
  const samples = part === 'body' && Array.isArray(list[0]) ? (list[0] as unknown[]) : list
  if (samples.length !== variables.length || samples.some((one) => textOf(one) === '')) {
    say([...at, 'example', key], `must have an example for each of the ${variables.length} variable(s)`)
  }
}

const buttonTypes = ['QUICK_REPLY', 'URL', 'PHONE_NUMBER', 'COPY_CODE', 'OTP', 'FLOW', 'CATALOG', 'MPM', 'SPM', 'VOICE_CALL', 'REQUEST_CONTACT_INFO']
/** How many of a kind one template may have; of the others ten. */
const mostOfKind: Readonly<Record<string, number>> = { URL: 2, PHONE_NUMBER: 1, COPY_CODE: 1, OTP: 1, CATALOG: 1, MPM: 1, VOICE_CALL: 1 }
/** Kinds whose label is the tenant's; the others have Meta's own. */
const labelled = ['QUICK_REPLY', 'URL', 'PHONE_NUMBER', 'FLOW', 'VOICE_CALL']

function checkButtons(component: Loose, { definition, at, say, inCard }: Place): void {
  const most = inCard ? 2 : 10
  const buttons: readonly unknown[] = Array.isArray(component['buttons']) ? (component['buttons'] as unknown[]) : []
  if (buttons.length === 0 || buttons.length > most) return say([...at, 'buttons'], `must have 1 to ${most} buttons`)
  const counts = new Map<string, number>()
  for (const [index, button] of buttons.entries()) {
    const path = [...at, 'buttons', index]
    if (!isLoose(button)) {
      say(path, 'must be an object')
      continue
    }
    const type = upper(button['type'])
    if (!buttonTypes.includes(type)) {
      say([...path, 'type'], `must be one of ${buttonTypes.join(', ')}`)
      continue
    }
    const count = (counts.get(type) ?? 0) + 1
    counts.set(type, count)
    if (count > (mostOfKind[type] ?? 10)) say(path, `is one ${type} button too many: ${mostOfKind[type] ?? 10} at most`)
    if (type === 'OTP' && definition.category !== 'AUTHENTICATION') say([...path, 'type'], 'OTP is for authentication templates only')
    checkButton(button, type, path, say)
  }
}

function checkButton(button: Loose, type: string, path: readonly (string | number)[], say: Say): void {
  if (labelled.includes(type) || button['text'] !== undefined) checkText(button['text'], 25, [...path, 'text'], say)
  switch (type) {
    case 'URL':
      return checkUrl(button, path, say)
    case 'PHONE_NUMBER':
      if (!/^\+?\d{6,20}$/.test(textOf(button['phone_number']))) {
        say([...path, 'phone_number'], 'must be a phone number with its country code, at most 20 characters')
      }
      return undefined
    case 'COPY_CODE': {
      const example: unknown = Array.isArray(button['example']) ? button['example'][0] : button['example']
      checkText(example, 15, [...path, 'example'], say)
      return undefined
    }
    case 'OTP':
      if (!['COPY_CODE', 'ONE_TAP', 'ZERO_TAP'].includes(upper(button['otp_type'])))
        say([...path, 'otp_type'], 'must be COPY_CODE, ONE_TAP or ZERO_TAP')
      return undefined
    case 'FLOW': {
      const named = ['flow_id', 'flow_name', 'flow_json'].filter((key) => button[key] !== undefined)
      if (named.length !== 1) say(path, 'must name the flow by exactly one of flow_id, flow_name and flow_json')
      return undefined
    }
    default:
      return undefined
  }
}

function checkUrl(button: Loose, path: readonly (string | number)[], say: Say): void {
  const url = textOf(button['url'])
  if (lengthOf(url) > 2000 || !/^https?:\/\/[^\s/]+/i.test(url)) return say([...path, 'url'], 'must be a web address of at most 2000 characters')
  const variables = variablesOf(url)
  if (variables.length === 0) return
  if (variables.length > 1 || variables[0] !== '1' || !/\{\{\s*1\s*\}\}$/.test(url)) {
    return say([...path, 'url'], 'may have one variable, {{1}}, at its end')
  }
  const example: unknown = Array.isArray(button['example']) ? button['example'][0] : button['example']
  if (textOf(example) === '') say([...path, 'example'], 'must have an example of the address')
}

function checkCarousel(carousel: Loose, { definition, at, say }: Place): void {
  const cards = listOf(carousel['cards'])
  if (cards.length < 2 || cards.length > 10) return say([...at, 'cards'], 'must have 2 to 10 cards')
  const shapes = cards.map((card) => shapeOf(listOf(card['components'])))
  for (const [index, card] of cards.entries()) {
    const path = [...at, 'cards', index]
    const components = listOf(card['components'])
    const types = components.map((component) => upper(component['type']))
    if (!types.includes('HEADER')) say([...path, 'components'], 'must have a HEADER')
    for (const [number, component] of components.entries()) {
      const place = { definition, at: [...path, 'components', number], say, inCard: true }
      if (types.indexOf(types[number] ?? '') !== number) say([...place.at, 'type'], `${types[number]} is there twice`)
      checkComponent(component, place)
    }
    if (shapes[index] !== shapes[0]) say(path, 'must have the same kinds of header and buttons as the first card')
  }
}

const shapeOf = (components: readonly Loose[]): string =>
  components
    .map((one) => {
      const kinds = listOf(one['buttons']).map((button) => upper(button['type']))
      return `${upper(one['type'])} ${upper(one['format'])} ${kinds.join(' ')}`
    })
    .toSorted()
    .join(', ')

function checkOffer(component: Loose, { at, say }: Place): void {
  const offer = isLoose(component['limited_time_offer']) ? component['limited_time_offer'] : {}
  checkText(offer['text'], 16, [...at, 'limited_time_offer', 'text'], say)
  const expires = offer['has_expiration']
  if (expires !== undefined && typeof expires !== 'boolean') say([...at, 'limited_time_offer', 'has_expiration'], 'must be true or false')
}
