import { GraphError } from '../../wire/graph-error.ts'
import type { Fields } from '../http.ts'
import { checksFor } from './checks.ts'
import { variablesOf } from './template.ts'

const check = checksFor(100)
const componentTypes = ['HEADER', 'BODY', 'FOOTER', 'BUTTONS', 'CAROUSEL', 'LIMITED_TIME_OFFER', 'CALL_PERMISSION_REQUEST'] as const
const headerFormats = ['TEXT', 'IMAGE', 'VIDEO', 'DOCUMENT', 'GIF', 'LOCATION'] as const
const buttonTypes = [
  'QUICK_REPLY',
  'URL',
  'PHONE_NUMBER',
  'COPY_CODE',
  'OTP',
  'FLOW',
  'CATALOG',
  'MPM',
  'SPM',
  'VOICE_CALL',
  'REQUEST_CONTACT_INFO',
] as const
/** How many of a type one template may have; the others ten. */
const buttonLimits: Readonly<Record<string, number>> = { URL: 2, PHONE_NUMBER: 1, COPY_CODE: 1 }

const upper = (value: unknown): unknown => (typeof value === 'string' ? value.toUpperCase() : value)

/** The components of a template to be created: kinds, lengths, variables with their examples. Types come back in capitals. */
export function checkComponents(value: unknown, format: 'POSITIONAL' | 'NAMED'): readonly Fields[] {
  const components = check.list(value, 'components', 1, 10).map((item, at) => {
    const component = check.object(item, `components[${at}]`)
    const type = check.oneOf(upper(component['type']), `components[${at}]['type']`, componentTypes)
    return { ...component, type }
  })
  const types = components.map((component) => component.type)
  check.unique(types, 'components')
  if (!types.includes('BODY')) throw new GraphError(100, { details: 'A template needs a BODY' })
  for (const component of components) checkComponent(component, format)
  return components
}

function checkComponent(component: Fields & { type: (typeof componentTypes)[number] }, format: 'POSITIONAL' | 'NAMED'): void {
  switch (component.type) {
    case 'HEADER':
      checkHeader(component, format)
      break
    case 'BODY':
      // The body of an authentication template is Meta's own and has no text.
      if (component['text'] !== undefined) checkVariables(check.text(component['text'], 'body', 1024), component, 'body', format)
      break
    case 'FOOTER':
      if (component['text'] !== undefined && variablesOf(check.text(component['text'], 'footer', 60)).length > 0)
        throw new GraphError(100, { details: 'A footer has no variables' })
      break
    case 'BUTTONS':
      checkButtons(component)
      break
    case 'CAROUSEL':
    case 'LIMITED_TIME_OFFER':
    case 'CALL_PERMISSION_REQUEST':
      break
    default:
      component.type satisfies never
  }
}

function checkHeader(component: Fields, format: 'POSITIONAL' | 'NAMED'): void {
  const kind = check.oneOf(upper(component['format']), "header['format']", headerFormats)
  if (kind === 'LOCATION') return
  if (kind === 'TEXT') {
    const text = check.text(component['text'], 'header', 60)
    if (variablesOf(text).length > 1) throw new GraphError(100, { details: 'A header has at most one variable' })
    checkVariables(text, component, 'header', format)
    return
  }
  const [handle] = check.list(check.object(component['example'], "header['example']")['header_handle'], "header['example']['header_handle']", 1, 1)
  // A handle, or the address that an approved template has in its place; the id of a medium is neither.
  if (typeof handle !== 'string' || !/^(?:\d+:|https:)/.test(handle))
    throw new GraphError(100, { details: 'header_handle is not the handle of an upload' })
}

/** Positional variables count from 1 without a gap; every variable has an example. */
function checkVariables(text: string, component: Fields, part: 'header' | 'body', format: 'POSITIONAL' | 'NAMED'): void {
  const variables = variablesOf(text)
  if (variables.length === 0) return
  const positional = variables.every((name) => /^\d+$/.test(name))
  if (positional !== (format === 'POSITIONAL')) throw new GraphError(100, { details: `${part}: the variables do not fit parameter_format ${format}` })
  if (
    positional &&
    variables
      .map(Number)
      .sort((a, b) => a - b)
      .some((number, at) => number !== at + 1)
  ) {
    throw new GraphError(100, { details: `${part}: variables count from {{1}} without a gap` })
  }
  const example = check.object(component['example'], `${part}['example']`)
  if (format === 'NAMED') {
    const names = check
      .list(example[`${part}_text_named_params`], `${part}_text_named_params`, 1, 100)
      .map((item) => check.object(item, 'named_params')['param_name'])
    const absent = variables.find((name) => !names.includes(name))
    if (absent !== undefined) throw new GraphError(100, { details: `${part}: no example for {{${absent}}}` })
    return
  }
  const [first] = check.list(example[`${part}_text`], `${part}_text`, 1, 10)
  const values = part === 'body' ? check.list(first, 'body_text', 1, 100) : [first]
  if (values.length !== variables.length)
    throw new GraphError(100, { details: `${part}: ${values.length} example(s) for ${variables.length} variable(s)` })
}

function checkButtons(component: Fields): void {
  const counts = new Map<string, number>()
  for (const item of check.list(component['buttons'], 'buttons', 1, 10)) {
    const button = check.object(item, 'buttons')
    const type = check.oneOf(upper(button['type']), "buttons['type']", buttonTypes)
    button['type'] = type
    counts.set(type, (counts.get(type) ?? 0) + 1)
    if ((counts.get(type) ?? 0) > (buttonLimits[type] ?? 10)) throw new GraphError(100, { details: `Too many buttons of type ${type}` })
    check.optionalText(button['text'], "buttons['text']", 25)
    if (type === 'URL') check.url(button['url'], "buttons['url']")
    if (type === 'PHONE_NUMBER') check.text(button['phone_number'], "buttons['phone_number']", 20)
    if (type === 'COPY_CODE') check.text(Array.isArray(button['example']) ? button['example'][0] : button['example'], "buttons['example']", 15)
    if (type === 'QUICK_REPLY' || type === 'URL' || type === 'PHONE_NUMBER') check.text(button['text'], "buttons['text']", 25)
  }
}
