import { GraphError } from '../../wire/graph-error.ts'
import type { World } from '../../world/world.ts'
import type { Fields } from '../http.ts'
import { missing, structured as check } from './checks.ts'
import { checkMedium, type LateFailure } from './media.ts'

const kinds = [
  'button',
  'list',
  'cta_url',
  'flow',
  'product',
  'product_list',
  'catalog_message',
  'location_request_message',
  'address_message',
  'call_permission_request',
  'voice_call',
  'request_contact_info',
  'carousel',
  'order_details',
  'order_status',
] as const

/** Every kind of interactive message with its limits. */
export function checkInteractive(world: World, value: unknown): LateFailure | undefined {
  const interactive = check.object(value, 'interactive')
  const kind = check.oneOf(interactive['type'], "interactive['type']", kinds)
  const action = check.object(interactive['action'], "interactive['action']")
  const bodyLimit = kind === 'list' ? 4096 : 1024
  if (kind === 'product') checkOptionalBody(interactive)
  else check.text(check.object(interactive['body'], "interactive['body']")['text'], "interactive['body']['text']", bodyLimit)
  if (interactive['footer'] !== undefined)
    check.text(check.object(interactive['footer'], "interactive['footer']")['text'], "interactive['footer']['text']", 60)
  const late = checkHeader(world, interactive, kind)
  switch (kind) {
    case 'button':
      checkButtons(action)
      break
    case 'list':
      checkList(action)
      break
    case 'cta_url':
      checkCtaUrl(action, "interactive['action']")
      break
    case 'flow':
      checkFlow(action)
      break
    case 'product':
      check.text(action['catalog_id'], "interactive['action']['catalog_id']", 100)
      check.text(action['product_retailer_id'], "interactive['action']['product_retailer_id']", 100)
      break
    case 'product_list':
      checkProducts(action)
      break
    case 'carousel':
      return checkCarousel(world, action) ?? late
    case 'location_request_message':
      named(action, 'send_location')
      break
    case 'address_message':
      check.text(check.object(named(action, kind)['parameters'], "interactive['action']['parameters']")['country'], "parameters['country']", 2)
      break
    case 'order_details':
      checkReference(named(action, 'review_and_pay'))
      break
    case 'order_status':
      checkReference(named(action, 'review_order'))
      break
    case 'catalog_message':
    case 'call_permission_request':
    case 'voice_call':
    case 'request_contact_info':
      named(action, kind)
      break
    default:
      return kind satisfies never
  }
  return late
}

function named(action: Fields, name: string): Fields {
  check.oneOf(action['name'], "interactive['action']['name']", [name])
  return action
}

/** Payments: the rest differs by country and is not checked here. */
function checkReference(action: Fields): void {
  const path = "interactive['action']['parameters']"
  check.text(check.object(action['parameters'], path)['reference_id'], `${path}['reference_id']`, 200)
}

function checkOptionalBody(interactive: Fields): void {
  if (interactive['body'] !== undefined)
    check.text(check.object(interactive['body'], "interactive['body']")['text'], "interactive['body']['text']", 1024)
}

function checkHeader(world: World, interactive: Fields, kind: string): LateFailure | undefined {
  if (interactive['header'] === undefined) {
    if (kind === 'product_list') throw missing("interactive['header']")
    return undefined
  }
  if (kind === 'product' || kind === 'carousel') throw check.bad(`An interactive message of type ${kind} has no header`)
  const header = check.object(interactive['header'], "interactive['header']")
  const textOnly = kind === 'list' || kind === 'product_list'
  const type = check.oneOf(header['type'], "interactive['header']['type']", textOnly ? ['text'] : ['text', 'image', 'video', 'document'])
  if (type === 'text') {
    check.text(header['text'], "interactive['header']['text']", 60)
    return undefined
  }
  return checkMedium(world, type, check.object(header[type], `interactive['header']['${type}']`), `interactive['header']['${type}']`)
}

function checkButtons(action: Fields): void {
  const path = "interactive['action']['buttons']"
  const replies = check.list(action['buttons'], path, 1, 3).map((item, at) => {
    const button = check.object(item, `${path}[${at}]`)
    check.oneOf(button['type'], `${path}[${at}]['type']`, ['reply'])
    const reply = check.object(button['reply'], `${path}[${at}]['reply']`)
    return {
      id: check.text(reply['id'], `${path}[${at}]['reply']['id']`, 256),
      title: check.text(reply['title'], `${path}[${at}]['reply']['title']`, 20),
    }
  })
  check.unique(
    replies.map((reply) => reply.id),
    `${path}[*]['reply']['id']`,
  )
  check.unique(
    replies.map((reply) => reply.title),
    `${path}[*]['reply']['title']`,
  )
}

function checkList(action: Fields): void {
  check.text(action['button'], "interactive['action']['button']", 20)
  const path = "interactive['action']['sections']"
  const sections = check.list(action['sections'], path, 1, 10)
  const ids = sections.flatMap((item, at) => {
    const section = check.object(item, `${path}[${at}]`)
    if (sections.length > 1) check.text(section['title'], `${path}[${at}]['title']`, 24)
    else check.optionalText(section['title'], `${path}[${at}]['title']`, 24)
    return check.list(section['rows'], `${path}[${at}]['rows']`, 1, 10).map((entry, index) => {
      const row = check.object(entry, `${path}[${at}]['rows'][${index}]`)
      check.text(row['title'], `${path}[${at}]['rows'][${index}]['title']`, 24)
      check.optionalText(row['description'], `${path}[${at}]['rows'][${index}]['description']`, 72)
      return check.text(row['id'], `${path}[${at}]['rows'][${index}]['id']`, 200)
    })
  })
  if (ids.length > 10) throw check.bad(`Total row count exceeds max allowed count: 10 (got ${ids.length})`)
  check.unique(ids, `${path}[*]['rows'][*]['id']`)
}

function checkCtaUrl(action: Fields, path: string): void {
  check.oneOf(action['name'], `${path}['name']`, ['cta_url'])
  const parameters = check.object(action['parameters'], `${path}['parameters']`)
  check.text(parameters['display_text'], `${path}['parameters']['display_text']`, 20)
  check.url(parameters['url'], `${path}['parameters']['url']`)
}

function checkFlow(action: Fields): void {
  const path = "interactive['action']['parameters']"
  const parameters = check.object(named(action, 'flow')['parameters'], path)
  check.oneOf(parameters['flow_message_version'], `${path}['flow_message_version']`, ['3'])
  if (parameters['flow_id'] === undefined && parameters['flow_name'] === undefined) throw missing(`${path}['flow_id']`)
  if (parameters['flow_id'] !== undefined && parameters['flow_name'] !== undefined) throw check.bad('Give flow_id or flow_name, not both')
  check.text(parameters['flow_cta'], `${path}['flow_cta']`, 30)
  if (parameters['mode'] !== undefined) check.oneOf(parameters['mode'], `${path}['mode']`, ['draft', 'published'])
  if (parameters['flow_action'] === undefined) return
  const flowAction = check.oneOf(parameters['flow_action'], `${path}['flow_action']`, ['navigate', 'data_exchange'])
  if (flowAction === 'data_exchange' && parameters['flow_action_payload'] !== undefined)
    throw check.bad('flow_action_payload is for flow_action navigate only')
}

function checkProducts(action: Fields): void {
  check.text(action['catalog_id'], "interactive['action']['catalog_id']", 100)
  const path = "interactive['action']['sections']"
  const sections = check.list(action['sections'], path, 1, 10)
  const count = sections.reduce<number>((sum, item, at) => {
    const section = check.object(item, `${path}[${at}]`)
    if (sections.length > 1) check.text(section['title'], `${path}[${at}]['title']`, 24)
    const products = check.list(section['product_items'], `${path}[${at}]['product_items']`, 1, 30)
    for (const product of products) check.text(check.object(product, 'product_items')['product_retailer_id'], "['product_retailer_id']", 100)
    return sum + products.length
  }, 0)
  if (count > 30) throw check.bad(`Too many products: ${count}, at most 30`)
}

function checkCarousel(world: World, action: Fields): LateFailure | undefined {
  const path = "interactive['action']['cards']"
  let late: LateFailure | undefined
  check.list(action['cards'], path, 2, 10).forEach((item, at) => {
    const card = check.object(item, `${path}[${at}]`)
    if (card['card_index'] !== at) throw check.bad(`${path}[${at}]['card_index'] must be ${at}`)
    const cardAction = check.object(card['action'], `${path}[${at}]['action']`)
    if (card['type'] === 'product') {
      check.text(cardAction['product_retailer_id'], `${path}[${at}]['action']['product_retailer_id']`, 100)
      return
    }
    late ??= checkCard(world, card, cardAction, `${path}[${at}]`)
  })
  return late
}

function checkCard(world: World, card: Fields, action: Fields, path: string): LateFailure | undefined {
  const header = check.object(card['header'], `${path}['header']`)
  const type = check.oneOf(header['type'], `${path}['header']['type']`, ['image', 'video'])
  if (card['body'] !== undefined) check.text(check.object(card['body'], `${path}['body']`)['text'], `${path}['body']['text']`, 160)
  if (action['buttons'] === undefined) checkCtaUrl(action, `${path}['action']`)
  else {
    check.list(action['buttons'], `${path}['action']['buttons']`, 1, 3).forEach((item) => {
      const button = check.object(item, `${path}['action']['buttons']`)
      if (button['type'] !== 'quick_reply') throw new GraphError(131009, { details: 'Buttons of a card are of type quick_reply' })
      const reply = check.object(button['quick_reply'], 'quick_reply')
      check.text(reply['id'], "quick_reply['id']", 256)
      check.text(reply['title'], "quick_reply['title']", 20)
    })
  }
  return checkMedium(world, type, check.object(header[type], `${path}['header']['${type}']`), `${path}['header']['${type}']`)
}
