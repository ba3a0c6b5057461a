import { buttonsOf, cardsOf, componentOf, isLoose, lengthOf, listOf, looseComponents, textOf, upper, variablesOf, type Loose } from './components.ts'
import type { TemplateDefinition } from './events.ts'

/** `path` leads into Meta's template object: `components.0.parameters.1.text`. */
export type ParameterMistake = { readonly path: string; readonly message: string }

type Path = readonly (string | number)[]
type Say = (path: Path, message: string) => void
type Place = { readonly named: boolean; readonly say: Say }

/**
 * Whether what is sent fills exactly what the approved template leaves open: everything that Meta would answer 132000, 132008 or 132012 for.
 * Undefined when it does. Types in the object may be written in capitals or not, as Meta takes them.
 */
export function checkTemplate(definition: TemplateDefinition, sendObject: unknown): readonly ParameterMistake[] | undefined {
  const found: ParameterMistake[] = []
  const say: Say = (path, message) => void found.push({ path: path.join('.'), message })
  const given = isLoose(sendObject) ? sendObject['components'] : undefined
  if (given !== undefined && !Array.isArray(given)) say(['components'], 'must be a list')
  const components = looseComponents(definition)
  const place = { named: definition.parameterFormat === 'named', say }
  checkComponents(components, asList(given), ['components'], { ...place, isAuthentication: upper(definition.category) === 'AUTHENTICATION' })
  return found.length === 0 ? undefined : found
}

const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : [])

const known = ['HEADER', 'BODY', 'BUTTON', 'CAROUSEL', 'LIMITED_TIME_OFFER']

/** Of a template, or of one card of its carousel. */
function checkComponents(defined: readonly Loose[], given: readonly unknown[], path: Path, place: Place & { isAuthentication: boolean }): void {
  const { say } = place
  const seen = new Map<string, { component: Loose; path: Path }>()
  const buttons: { component: Loose; path: Path }[] = []
  for (const [index, component] of given.entries()) {
    const at = [...path, index]
    const type = isLoose(component) ? upper(component['type']) : ''
    if (!isLoose(component) || !known.includes(type)) say([...at, 'type'], 'must be header, body, button, carousel or limited_time_offer')
    else if (type === 'BUTTON') buttons.push({ component, path: at })
    else if (seen.has(type)) say([...at, 'type'], `${type.toLowerCase()} is there twice`)
    else seen.set(type, { component, path: at })
  }
  const partOf = (type: string): Given => {
    const one = seen.get(type)
    const at = one === undefined ? path : [...one.path, 'parameters']
    const parameters: unknown = one?.component['parameters']
    return { at, parameters: asList(parameters), isThere: one !== undefined }
  }
  checkHeader(componentOf(defined, 'HEADER'), partOf('HEADER'), place)
  const body = componentOf(defined, 'BODY')
  // Meta's own wording of an authentication template has one variable, the code, also where the list leaves the words out.
  const inBody = body !== undefined && place.isAuthentication && body['text'] === undefined ? ['1'] : variablesOf(body?.['text'])
  checkTexts(inBody, partOf('BODY'), 'body', place)
  checkOffer(componentOf(defined, 'LIMITED_TIME_OFFER'), partOf('LIMITED_TIME_OFFER'), say)
  checkButtons(buttonsOf(defined), buttons, path, say)
  checkCarousel(defined, seen.get('CAROUSEL'), path, place)
}

type Given = { readonly at: Path; readonly parameters: readonly unknown[]; readonly isThere: boolean }

function checkHeader(header: Loose | undefined, given: Given, place: Place): void {
  const format = upper(header?.['format'])
  if (header === undefined || format === 'TEXT' || format === '') return checkTexts(variablesOf(header?.['text']), given, 'header', place)
  const type = format === 'GIF' ? 'gif' : format.toLowerCase()
  const [parameter] = given.parameters
  if (given.parameters.length !== 1) return place.say(given.at, `the header needs one parameter, the ${type}, and got ${given.parameters.length}`)
  const at = [...given.at, 0]
  if (!isLoose(parameter) || textOf(parameter['type']).toLowerCase() !== type) return place.say([...at, 'type'], `must be ${type}`)
  const object = parameter[type]
  if (!isLoose(object)) return place.say([...at, type], 'is missing')
  if (type === 'location') return checkLocation(object, [...at, type], place.say)
  if (type === 'product') {
    if (textOf(object['product_retailer_id']) === '') place.say([...at, type, 'product_retailer_id'], 'is missing')
    return
  }
  const sources = ['id', 'link'].filter((key) => textOf(object[key]) !== '')
  if (sources.length !== 1) place.say([...at, type], 'give either `id` or `link`')
}

function checkLocation(location: Loose, at: Path, say: Say): void {
  for (const [key, limit] of [
    ['latitude', 90],
    ['longitude', 180],
  ] as const) {
    const value = location[key]
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
    if (typeof number !== 'number' || !(Math.abs(number) <= limit)) say([...at, key], `must be a number from -${limit} to ${limit}`)
  }
  for (const key of ['name', 'address']) if (textOf(location[key]) === '') say([...at, key], 'is missing')
}

/** Values of the variables of a header or body: as many as there are, in order, or by name where the template names them. */
function checkTexts(variables: readonly string[], { at, parameters }: Given, where: string, { named, say }: Place): void {
  if (parameters.length !== variables.length) {
    const expected = variables.length === 0 ? 'has no variables' : `needs ${variables.map((name) => `{{${name}}}`).join(', ')}`
    return say(at, `the ${where} ${expected}; ${parameters.length} parameter(s) were given`)
  }
  const names = new Set<string>()
  for (const [index, parameter] of parameters.entries()) {
    const path = [...at, index]
    if (!isLoose(parameter)) {
      say(path, 'must be an object')
      continue
    }
    const name = parameter['parameter_name']
    if (named) checkName(name, { variables, names }, [...path, 'parameter_name'], say)
    else if (name !== undefined) say([...path, 'parameter_name'], 'must be left out: the variables of this template are positional')
    checkValue(parameter, path, say)
  }
}

function checkName(name: unknown, { variables, names }: { variables: readonly string[]; names: Set<string> }, path: Path, say: Say): void {
  if (typeof name !== 'string' || !variables.includes(name)) return say(path, `must be one of ${variables.join(', ')}`)
  if (names.has(name)) say(path, `${name} is there twice`)
  names.add(name)
}

function checkValue(parameter: Loose, path: Path, say: Say): void {
  const type = textOf(parameter['type']).toLowerCase()
  switch (type) {
    case 'text':
      return checkPlain(parameter['text'], [...path, 'text'], say)
    case 'currency': {
      const object = isLoose(parameter['currency']) ? parameter['currency'] : {}
      const at = [...path, 'currency']
      if (textOf(object['fallback_value']) === '') say([...at, 'fallback_value'], 'is missing')
      if (!/^[A-Z]{3}$/.test(textOf(object['code']))) say([...at, 'code'], 'must be a currency code of three letters')
      if (typeof object['amount_1000'] !== 'number') say([...at, 'amount_1000'], 'must be a number')
      return undefined
    }
    case 'date_time': {
      const object = isLoose(parameter['date_time']) ? parameter['date_time'] : {}
      if (textOf(object['fallback_value']) === '') say([...path, 'date_time', 'fallback_value'], 'is missing')
      return undefined
    }
    default:
      return say([...path, 'type'], 'must be text, currency or date_time')
  }
}

function checkPlain(text: unknown, path: Path, say: Say): void {
  if (typeof text !== 'string' || text === '') return say(path, 'is missing')
  if (/[\n\r\t]| {5}/.test(text)) say(path, 'may not have line breaks, tabs or more than four blanks in a row')
}

function checkButtons(defined: readonly Loose[], given: readonly { component: Loose; path: Path }[], path: Path, say: Say): void {
  const filled = new Map<number, { component: Loose; path: Path }>()
  for (const one of given) {
    const { component, path: at } = one
    const index = buttonIndex(component['index'])
    const button = index === undefined ? undefined : defined[index]
    if (index === undefined || button === undefined) {
      say([...at, 'index'], `must be the place of one of the ${defined.length} button(s), counted from 0`)
      continue
    }
    if (filled.has(index)) say([...at, 'index'], `button ${index} is there twice`)
    filled.set(index, one)
    const wanted = subTypeOf(button)
    if (upper(component['sub_type']) !== wanted) say([...at, 'sub_type'], `must be ${wanted.toLowerCase()}`)
    else checkButton(button, component, at, say)
  }
  for (const [index, button] of defined.entries()) {
    if (needsValue(button) && !filled.has(index)) say(path, `button ${index} (${textOf(button['text']) || upper(button['type'])}) needs a parameter`)
  }
}

const buttonIndex = (index: unknown): number | undefined => {
  const number = typeof index === 'string' && /^\d$/.test(index) ? Number(index) : index
  return typeof number === 'number' && Number.isInteger(number) && number >= 0 ? number : undefined
}

/** A one-time password is filled as a URL button is. */
const subTypeOf = (button: Loose): string => (upper(button['type']) === 'OTP' ? 'URL' : upper(button['type']))

/** OTP buttons come back from Meta's list as URL buttons with a variable. */
const needsValue = (button: Loose): boolean => {
  const type = upper(button['type'])
  return type === 'COPY_CODE' || type === 'OTP' || type === 'MPM' || (type === 'URL' && variablesOf(button['url']).length > 0)
}

function checkButton(button: Loose, component: Loose, at: Path, say: Say): void {
  const type = upper(button['type'])
  const parameters = asList(component['parameters'])
  const path = [...at, 'parameters']
  const [parameter] = parameters
  if (type === 'PHONE_NUMBER' || type === 'REQUEST_CONTACT_INFO' || (type === 'URL' && !needsValue(button))) {
    if (parameters.length > 0) say(path, 'this button takes no parameters')
    return
  }
  if (parameters.length > 1 || (parameters.length === 0 && needsValue(button))) return say(path, 'must have one parameter')
  if (parameter === undefined) return
  if (!isLoose(parameter)) return say([...path, 0], 'must be an object')
  const kind = textOf(parameter['type']).toLowerCase()
  const expect = (wanted: string): boolean => {
    if (kind === wanted) return true
    say([...path, 0, 'type'], `must be ${wanted}`)
    return false
  }
  switch (type) {
    case 'URL':
    case 'OTP':
      if (expect('text')) checkPlain(parameter['text'], [...path, 0, 'text'], say)
      return undefined
    case 'QUICK_REPLY':
      if (expect('payload') && typeof parameter['payload'] !== 'string') say([...path, 0, 'payload'], 'is missing')
      return undefined
    case 'COPY_CODE': {
      const code = textOf(parameter['coupon_code'])
      if (expect('coupon_code') && (code === '' || lengthOf(code) > 15)) say([...path, 0, 'coupon_code'], 'must have 1 to 15 characters')
      return undefined
    }
    case 'FLOW':
    case 'CATALOG':
    case 'MPM':
      if (expect('action')) checkAction(type, parameter['action'], [...path, 0, 'action'], say)
      return undefined
    default:
      // Kinds whose parameters are not documented (voice_call's ttl_minutes, spm): Meta judges.
      return undefined
  }
}

function checkAction(type: 'FLOW' | 'CATALOG' | 'MPM', action: unknown, path: Path, say: Say): void {
  if (!isLoose(action)) return say(path, 'must be an object')
  if (type !== 'MPM') return
  const sections = listOf(action['sections'])
  const products = sections.flatMap((section) => listOf(section['product_items']))
  if (sections.length === 0 || sections.length > 10) say([...path, 'sections'], 'must have 1 to 10 sections')
  if (products.length > 30) say([...path, 'sections'], 'may have 30 products in all')
}

function checkOffer(offer: Loose | undefined, given: Given, say: Say): void {
  const settings = isLoose(offer?.['limited_time_offer']) ? offer['limited_time_offer'] : {}
  const expires = settings['has_expiration'] === true
  if (!expires) {
    if (given.parameters.length > 0) say(given.at, 'the offer of this template has no expiration to fill')
    return
  }
  const [parameter] = given.parameters
  const object = isLoose(parameter) && isLoose(parameter['limited_time_offer']) ? parameter['limited_time_offer'] : {}
  const milliseconds = Number(object['expiration_time_ms'])
  if (given.parameters.length !== 1 || !Number.isInteger(milliseconds) || milliseconds <= 0) {
    say(given.at, 'must have one parameter of type limited_time_offer with expiration_time_ms')
  }
}

function checkCarousel(defined: readonly Loose[], given: { component: Loose; path: Path } | undefined, path: Path, place: Place): void {
  const cards = cardsOf(defined)
  if (given === undefined) {
    if (cards.length > 0) place.say(path, `the carousel of ${cards.length} cards is missing`)
    return
  }
  const at = [...given.path, 'cards']
  if (cards.length === 0) return place.say([...given.path, 'type'], 'this template has no carousel')
  const filled = asList(given.component['cards'])
  if (filled.length !== cards.length) return place.say(at, `must have ${cards.length} cards and has ${filled.length}`)
  const places = new Set<number>()
  for (const [index, card] of filled.entries()) {
    const number = isLoose(card) ? buttonIndex(card['card_index'] ?? index) : undefined
    const definition = number === undefined ? undefined : cards[number]
    if (!isLoose(card) || number === undefined || definition === undefined || places.has(number)) {
      place.say([...at, index, 'card_index'], `must be the place of a card, 0 to ${cards.length - 1}, each once`)
      continue
    }
    places.add(number)
    checkComponents(listOf(definition['components']), asList(card['components']), [...at, index, 'components'], { ...place, isAuthentication: false })
  }
}
