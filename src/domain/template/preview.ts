import { buttonsOf, cardsOf, componentOf, fill, isLoose, listOf, looseComponents, textOf, upper, variablesOf, type Loose } from './components.ts'
import type { TemplateDefinition } from './events.ts'

export type PreviewButton = {
  readonly type: string
  readonly text: string
  readonly url?: string
  readonly phoneNumber?: string
  readonly code?: string
}
export type PreviewCard = { readonly header?: PreviewHeader; readonly body?: string; readonly buttons: readonly PreviewButton[] }
/** `media`: Meta's object with id or link, or the location, as it was given. */
export type PreviewHeader = { readonly format: string; readonly text?: string; readonly media?: unknown }
export type Preview = PreviewCard & { readonly footer?: string; readonly cards?: readonly PreviewCard[] }

/** The message as the customer will see it. What has no value yet stays as its `{{variable}}`; `components` is Meta's list of a send body. */
export function previewTemplate(definition: TemplateDefinition, components: unknown): Preview {
  const defined = looseComponents(definition)
  const given = listOf(components)
  const footer = textOf(componentOf(defined, 'FOOTER')?.['text'])
  const cards = cardsOf(defined)
  const filled = listOf(componentOf(given, 'CAROUSEL')?.['cards'])
  return {
    ...previewPart(defined, given),
    ...(footer === '' ? {} : { footer }),
    ...(cards.length === 0
      ? {}
      : {
          cards: cards.map((card, index) => {
            const own = filled.find((one, place) => Number(one['card_index'] ?? place) === index)
            return previewPart(listOf(card['components']), listOf(own?.['components']))
          }),
        }),
  }
}

function previewPart(defined: readonly Loose[], given: readonly Loose[]): PreviewCard {
  const header = componentOf(defined, 'HEADER')
  const body = componentOf(defined, 'BODY')?.['text']
  return {
    ...(header === undefined ? {} : { header: previewHeader(header, parametersOf(componentOf(given, 'HEADER'))) }),
    ...(body === undefined ? {} : { body: filledText(body, parametersOf(componentOf(given, 'BODY'))) }),
    buttons: buttonsOf(defined).map((button, index) => {
      const own = given.find((one) => upper(one['type']) === 'BUTTON' && Number(one['index']) === index)
      return previewButton(button, parametersOf(own)[0])
    }),
  }
}

const parametersOf = (component: Loose | undefined): readonly Loose[] => listOf(component?.['parameters'])

function previewHeader(header: Loose, parameters: readonly Loose[]): PreviewHeader {
  const format = upper(header['format']) || 'TEXT'
  if (format === 'TEXT') return { format, text: filledText(header['text'], parameters) }
  const media = parameters[0]?.[format.toLowerCase()]
  return { format, ...(media === undefined ? {} : { media }) }
}

/** By name where the parameters have names, else by place. */
function filledText(text: unknown, parameters: readonly Loose[]): string {
  const variables = [...variablesOf(text)].toSorted((a, b) => Number(a) - Number(b))
  const values = parameters.map((parameter, index): readonly [string, string] => [
    textOf(parameter['parameter_name']) || (variables[index] ?? ''),
    valueOf(parameter),
  ])
  return fill(text, new Map(values.filter(([, value]) => value !== '')))
}

function valueOf(parameter: Loose): string {
  if (parameter['text'] !== undefined) return textOf(parameter['text'])
  const object = parameter[textOf(parameter['type'])]
  return isLoose(object) ? textOf(object['fallback_value']) : ''
}

function previewButton(button: Loose, parameter: Loose | undefined): PreviewButton {
  const url = textOf(button['url'])
  const phoneNumber = textOf(button['phone_number'])
  const code = textOf(parameter?.['coupon_code'])
  return {
    type: upper(button['type']),
    text: textOf(button['text']),
    ...(url === '' ? {} : { url: filledText(url, parameter === undefined ? [] : [parameter]) }),
    ...(phoneNumber === '' ? {} : { phoneNumber }),
    ...(code === '' ? {} : { code }),
  }
}
