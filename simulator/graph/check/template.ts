import { GraphError } from '../../wire/graph-error.ts'
import type { Template, Waba, World } from '../../world/world.ts'
import { isObject, type Fields } from '../http.ts'
import { missing, structured as check } from './checks.ts'
import { checkMedium, type LateFailure } from './media.ts'

/** `{{1}}` or `{{first_name}}`, in the order they appear, each once. */
export const variablesOf = (text: unknown): string[] => [
  ...new Set(typeof text === 'string' ? [...text.matchAll(/\{\{\s*([A-Za-z0-9_]+)\s*\}\}/g)].map((match) => match[1] ?? '') : []),
]

const upper = (value: unknown): string => (typeof value === 'string' ? value.toUpperCase() : '')

/** Checks a template message against the template as the account has it. Returns the template too: its category is priced. */
export function checkTemplate(world: World, waba: Waba, value: unknown): { template: Template; late?: LateFailure | undefined } {
  const object = check.object(value, 'template')
  const name = check.text(object['name'], "template['name']", 512)
  const code = check.text(check.object(object['language'], "template['language']")['code'], "template['language']['code']", 10)
  const template = [...waba.templates.values()].find((item) => item.name === name && item.language === code)
  if (template?.status === 'PAUSED') throw new GraphError(132015, { details: `Template ${name} is paused due to low quality` })
  if (template?.status === 'DISABLED') throw new GraphError(132016, { details: `Template ${name} is disabled due to low quality` })
  if (template?.status !== 'APPROVED') throw new GraphError(132001, { details: `template name (${name}) does not exist in ${code}` })
  const components =
    object['components'] === undefined
      ? []
      : check.list(object['components'], "template['components']", 0, 50).map((item, at) => check.object(item, `components[${at}]`))
  const late = checkHeader(world, template, components)
  checkBody(template, components)
  checkButtons(template, components)
  return late ? { template, late } : { template }
}

const componentOf = (template: Template, type: string): Fields | undefined => template.components.find((item) => upper(item['type']) === type)
const given = (components: readonly Fields[], type: string): Fields | undefined => components.find((item) => upper(item['type']) === type)
const parametersOf = (component: Fields | undefined): readonly Fields[] =>
  component?.['parameters'] === undefined
    ? []
    : check.list(component['parameters'], 'parameters', 0, 100).map((item) => check.object(item, 'parameters'))

function mismatch(count: number, expected: number, where: string): GraphError {
  return new GraphError(132000, {
    details: `${where}: number of localizable_params (${count}) does not match the expected number of params (${expected})`,
  })
}

function checkHeader(world: World, template: Template, components: readonly Fields[]): LateFailure | undefined {
  const definition = componentOf(template, 'HEADER')
  const parameters = parametersOf(given(components, 'HEADER'))
  const format = upper(definition?.['format'])
  if (!definition || format === 'TEXT') {
    checkTexts(template, parameters, variablesOf(definition?.['text']), 'header')
    return undefined
  }
  const [parameter] = parameters
  if (!parameter || parameters.length !== 1) throw mismatch(parameters.length, 1, 'header')
  const type = format.toLowerCase()
  if (parameter['type'] !== type)
    throw new GraphError(132012, { details: `header: Format mismatch, expected ${format}, received ${upper(parameter['type']) || 'UNKNOWN'}` })
  if (type !== 'image' && type !== 'video' && type !== 'document') return undefined
  return checkMedium(world, type, check.object(parameter[type], `header['${type}']`), `header['${type}']`)
}

function checkBody(template: Template, components: readonly Fields[]): void {
  const text = componentOf(template, 'BODY')?.['text']
  const values = checkTexts(template, parametersOf(given(components, 'BODY')), variablesOf(text), 'body')
  const length = values.reduce((sum, value) => sum + value.length, typeof text === 'string' ? text.length : 0)
  if (length > 4096) throw new GraphError(132005, { details: 'body: the text is too long once it is filled in' })
}

/** Text values of a header or body: as many as there are variables, by name where the template names them. Returns the texts. */
function checkTexts(template: Template, parameters: readonly Fields[], variables: readonly string[], where: string): string[] {
  if (parameters.length !== variables.length) throw mismatch(parameters.length, variables.length, where)
  const names = parameters.map((parameter) => parameter['parameter_name'])
  if (template.parameter_format === 'NAMED') {
    const absent = variables.find((variable) => !names.includes(variable))
    if (absent !== undefined) throw new GraphError(132012, { details: `${where}: Parameter name is missing or invalid, expected ${absent}` })
  } else if (names.some((name) => name !== undefined)) {
    throw new GraphError(132012, { details: `${where}: the template has no named parameters` })
  }
  return parameters.map((parameter) => {
    if (parameter['type'] === 'currency' || parameter['type'] === 'date_time') {
      const object = check.object(parameter[parameter['type']], parameter['type'])
      return check.text(object['fallback_value'], `${parameter['type']}['fallback_value']`, 1024)
    }
    if (parameter['type'] !== 'text') throw new GraphError(132012, { details: `${where}: expected a text parameter` })
    const text = check.text(parameter['text'], `${where} parameter text`, 32_768)
    if (/[\n\t]| {5}/.test(text))
      throw new GraphError(132008, {
        message: '(#132008) Template parameter value is invalid',
        details: 'Param text cannot have new-line/tab characters or more than 4 consecutive spaces',
      })
    return text
  })
}

/** Buttons with a variable need their value; others may carry a payload. */
function checkButtons(template: Template, components: readonly Fields[]): void {
  const definition = componentOf(template, 'BUTTONS')?.['buttons']
  const buttons = Array.isArray(definition) ? definition.filter(isObject) : []
  const givenButtons = components.filter((item) => upper(item['type']) === 'BUTTON')
  for (const button of givenButtons) {
    const index = Number(button['index'])
    if (button['index'] === undefined) throw missing("button['index']")
    if (button['sub_type'] === undefined) throw missing("button['sub_type']")
    if (!Number.isInteger(index) || !buttons[index])
      throw new GraphError(132012, { details: `button: the template has no button ${JSON.stringify(button['index'])}` })
    if (!subTypeFits(buttons[index], upper(button['sub_type'])))
      throw new GraphError(132012, { details: `button ${index}: Format mismatch, expected ${upper(buttons[index]['type'])}` })
  }
  buttons.forEach((button, index) => {
    const needed = variablesOf(button['url']).length > 0 || upper(button['type']) === 'COPY_CODE'
    if (!needed) return
    const parameters = parametersOf(givenButtons.find((item) => Number(item['index']) === index))
    if (parameters.length !== 1)
      throw new GraphError(131008, { details: `buttons: Button at index ${index} of type ${upper(button['type'])} requires a parameter` })
  })
}

const subTypeFits = (button: Fields, subType: string): boolean => {
  const type = upper(button['type'])
  return type === subType || (type === 'OTP' && subType === 'URL')
}
