import { GraphError } from '../../wire/graph-error.ts'
import type { World } from '../../world/world.ts'
import { isObject, type Fields } from '../http.ts'
import { missing, plain, structured } from './checks.ts'
import { checkInteractive } from './interactive.ts'
import { checkMedium, type LateFailure, type MediaKind } from './media.ts'

const thirtyDays = 30 * 24 * 3_600_000

/** Checks the object of a message type with its limits. Throws what Meta answers at once; returns what Meta tells by a `failed` status. */
export function checkObject(world: World, type: string, body: Fields): LateFailure | undefined {
  const value = body[type]
  switch (type) {
    case 'text':
      return checkText(value)
    case 'image':
    case 'video':
    case 'audio':
    case 'document':
    case 'sticker':
      return checkMediaMessage(world, type, value)
    case 'location':
      return checkLocation(value)
    case 'contacts':
      return checkContacts(value)
    case 'reaction':
      return checkReaction(world, value, body['context'] !== undefined)
    case 'interactive':
      return checkInteractive(world, value)
    default:
      throw new GraphError(131051, { details: `Message type '${type}' is not supported` })
  }
}

function checkText(value: unknown): undefined {
  const text = plain.object(value, 'text')
  plain.only(text, 'text', ['body', 'preview_url'])
  plain.text(text['body'], "text['body']", 4096)
  if (text['preview_url'] !== undefined && typeof text['preview_url'] !== 'boolean') throw plain.bad("Param text['preview_url'] must be a boolean")
}

const mediaKeys: Readonly<Record<MediaKind, readonly string[]>> = {
  image: ['id', 'link', 'caption'],
  video: ['id', 'link', 'caption'],
  audio: ['id', 'link', 'voice'],
  document: ['id', 'link', 'caption', 'filename'],
  sticker: ['id', 'link'],
}

function checkMediaMessage(world: World, kind: MediaKind, value: unknown): LateFailure | undefined {
  const media = plain.object(value, kind)
  plain.only(media, kind, mediaKeys[kind])
  plain.optionalText(media['caption'], `${kind}['caption']`, 1024)
  plain.optionalText(media['filename'], `${kind}['filename']`, 240)
  if (media['voice'] !== undefined && typeof media['voice'] !== 'boolean') throw plain.bad(`Param ${kind}['voice'] must be a boolean`)
  return checkMedium(world, kind, media, kind)
}

function checkLocation(value: unknown): undefined {
  const location = structured.object(value, 'location')
  structured.only(location, 'location', ['latitude', 'longitude', 'name', 'address'])
  structured.coordinate(location['latitude'], "location['latitude']", 90)
  structured.coordinate(location['longitude'], "location['longitude']", 180)
  structured.optionalText(location['name'], "location['name']", 1000)
  structured.optionalText(location['address'], "location['address']", 1000)
}

const nameParts = ['first_name', 'last_name', 'middle_name', 'suffix', 'prefix']

function checkContacts(value: unknown): undefined {
  structured.list(value, 'contacts', 1, 257).forEach((item, index) => {
    const path = `contacts[${index}]`
    const contact = structured.object(item, path)
    const name = structured.object(contact['name'], `${path}['name']`)
    structured.text(name['formatted_name'], `${path}['name']['formatted_name']`, 1000)
    if (!nameParts.some((part) => typeof name[part] === 'string' && name[part] !== '')) {
      throw missing(`${path}['name']`, `needs one of ${nameParts.join(', ')} beside formatted_name`)
    }
    for (const key of ['phones', 'emails', 'addresses', 'urls']) {
      if (contact[key] !== undefined)
        structured.list(contact[key], `${path}['${key}']`, 0, 100).forEach((entry, at) => structured.object(entry, `${path}['${key}'][${at}]`))
    }
    const birthday = structured.optionalText(contact['birthday'], `${path}['birthday']`, 10)
    if (birthday !== undefined && !/^\d{4}-\d{2}-\d{2}$/.test(birthday)) throw structured.bad(`Param ${path}['birthday'] must be YYYY-MM-DD`)
  })
}

/** A target that is unknown, too old or a reaction itself is told by webhook. */
function checkReaction(world: World, value: unknown, isReply: boolean): LateFailure | undefined {
  const reaction = structured.object(value, 'reaction')
  structured.only(reaction, 'reaction', ['message_id', 'emoji'])
  const target = structured.text(reaction['message_id'], "reaction['message_id']", 512)
  if (reaction['emoji'] === undefined) throw missing("reaction['emoji']")
  if (typeof reaction['emoji'] !== 'string' || (reaction['emoji'] !== '' && !/^\p{RGI_Emoji}$/v.test(reaction['emoji']))) {
    throw structured.bad("Param reaction['emoji'] must be one emoji, or empty to take the reaction back")
  }
  if (isReply) throw structured.bad('A reaction cannot be a contextual reply')
  const message = world.messages.get(target)
  if (!message || message.type === 'reaction' || Date.now() - message.at > thirtyDays) {
    return { code: 131009, details: 'The message to react to is unknown, deleted, older than 30 days or a reaction itself' }
  }
  return undefined
}

/** `context.message_id` of a reply. A message nobody knows is no error: the reply just shows no quote. */
export function contextId(body: Fields): string | undefined {
  if (body['context'] === undefined || body['context'] === null) return undefined
  if (!isObject(body['context'])) throw plain.bad("Param 'context' must be a JSON object")
  return plain.text(body['context']['message_id'], "context['message_id']", 512)
}
