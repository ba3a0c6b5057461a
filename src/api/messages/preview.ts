const icons: Readonly<Record<string, string>> = {
  image: '📷',
  video: '🎬',
  audio: '🎤',
  document: '📄',
  sticker: '🏷️',
  location: '📍',
  contacts: '👤',
  template: '📋',
  order: '🛒',
}

type Content = Readonly<Record<string, unknown>>
const longest = 120

/** One line for the inbox: the text, `📷 caption` for media, the type's name for what has no words. */
export function preview(type: string, content: Content): string {
  const words = wordsOf(type, content[type])
  const icon = icons[type]
  if (icon !== undefined) return words === '' ? `${icon} ${type}` : `${icon} ${shorten(words)}`
  return words === '' ? type : shorten(words)
}

function wordsOf(type: string, object: unknown): string {
  const fields = asRecord(object)
  switch (type) {
    case 'text':
      return text(fields['body'])
    case 'image':
    case 'video':
      return text(fields['caption'])
    case 'document':
      return text(fields['caption']) || text(fields['filename'])
    case 'location':
    case 'template':
      return text(fields['name'])
    case 'system':
      return text(fields['body'])
    case 'reaction':
      return text(fields['emoji'])
    case 'button':
      return text(fields['text'])
    case 'contacts':
      return Array.isArray(object) ? text(asRecord(asRecord(object[0])['name'])['formatted_name']) : ''
    case 'interactive': {
      const chosen = asRecord(fields['button_reply'] ?? fields['list_reply'])
      const form = asRecord(fields['nfm_reply'])
      return text(chosen['title']) || text(form['body']) || text(asRecord(fields['body'])['text'])
    }
    default:
      return ''
  }
}

const text = (value: unknown): string => (typeof value === 'string' ? value.replaceAll(/\s+/g, ' ').trim() : '')
const asRecord = (value: unknown): Content => (typeof value === 'object' && value !== null ? (value as Content) : {})

/** By code points, so that no emoji is cut in half. */
function shorten(words: string): string {
  if (words.length <= longest) return words
  const points = Array.from(words)
  return points.length <= longest ? words : `${points.slice(0, longest - 1).join('')}…`
}
