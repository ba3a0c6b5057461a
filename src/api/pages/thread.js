import { randomId } from './api.js'
import { $, dayName, dayOf, element, initials, timeOf } from './dom.js'
import { nameOf } from './inbox.js'

const ranks = { received: 0, queued: 0, sending: 1, unknown: 1, sent: 2, failed: 2, delivered: 3, read: 4, played: 5 }
const ticks = {
  queued: ['⏳', 'waiting to be sent'],
  sending: ['⏳', 'being sent'],
  sent: ['✓', 'sent'],
  delivered: ['✓✓', 'delivered'],
  read: ['✓✓', 'read'],
  played: ['✓✓', 'played'],
  failed: ['⚠', 'failed'],
  unknown: ['❔', 'nobody knows yet whether it was sent'],
}
const pageSize = 50

/** What a message says, in words: its text or caption, or the name of its type. */
function wordsOf(message) {
  if (message.erased) return ['Erased', true]
  if (message.revoked_at !== undefined) return ['Deleted', true]
  const object = message.content?.[message.type] ?? {}
  if (message.type === 'text') return [object.body ?? '', false]
  const kind = { image: '📷 Picture', video: '🎬 Video', audio: '🎤 Audio', document: '📄 Document', sticker: 'Sticker', location: '📍 Location' }[
    message.type
  ]
  const words = object.caption ?? object.filename ?? object.body?.text ?? object.button_reply?.title ?? object.list_reply?.title ?? object.name ?? ''
  if (kind === undefined && words === '') return [`This message is of a kind that is not shown here yet (${message.type}).`, true]
  return [[kind ?? message.type, words].filter((part) => typeof part === 'string' && part !== '').join('\n'), kind === undefined]
}

const gone = { pending: 'The file is being fetched …', expired: 'WhatsApp no longer has the file.', failed: 'The file could not be fetched.' }

/** The file of a message: its small picture or its name, either a link to the whole. */
function fileOf({ media, type }) {
  if (media === undefined || media.state === 'erased') return undefined
  if (media.url === undefined) return element('div', { class: 'file words dim' }, gone[media.state] ?? '')
  const link = { class: 'file', href: media.url, target: '_blank', rel: 'noopener' }
  const size = { width: media.width, height: media.height }
  if (media.thumbnail_url !== undefined) {
    return element('a', link, element('img', { ...size, src: media.thumbnail_url, alt: type === 'sticker' ? 'Sticker' : 'Picture', loading: 'lazy' }))
  }
  if (type === 'audio') return element('audio', { class: 'file', controls: true, preload: 'none', src: media.url })
  return element('a', { ...link, download: media.filename ?? '' }, `⬇ ${media.filename ?? 'Download'}`)
}

/** The open conversation: its messages oldest first, its composer. */
export function createThread(api, { demo }) {
  let conversation
  let messages = []
  let reachedStart = false
  let loadingOlder = false
  let generation = 0
  /** What the feed told while the thread was being loaded: the answer may be older. Undefined when nothing is being loaded. */
  let meanwhile

  const list = $('messages')
  const nearEnd = () => list.scrollHeight - list.scrollTop - list.clientHeight < 80

  function mistake(text) {
    $('composer-mistake').hidden = text === undefined
    $('composer-mistake').textContent = text ?? ''
  }

  function head() {
    const name = nameOf(conversation)
    $('thread-name').textContent = name
    $('thread-avatar').textContent = initials(name)
    const closes = conversation.window_expires_at
    const open = closes !== undefined && new Date(closes) > new Date()
    $('thread-detail').textContent = [
      conversation.contact.phone === name ? undefined : conversation.contact.phone,
      conversation.status === 'open' ? undefined : conversation.status,
      open
        ? `answer until ${dayOf(closes) === new Date().toDateString() ? timeOf(closes) : `${dayName(closes)} ${timeOf(closes)}`}`
        : 'the 24-hour window is closed',
    ]
      .filter(Boolean)
      .join(' · ')
    $('resolve').textContent = conversation.status === 'resolved' ? 'Reopen' : 'Resolve'
    $('text').placeholder = open ? 'Write a message' : 'The customer has not written for 24 hours: only a template can be sent'
    $('text').disabled = !open
    $('composer').querySelector('button').disabled = !open
  }

  function bubble(message, fresh) {
    const [words, dim] = wordsOf(message)
    const outbound = message.direction === 'outbound'
    const [sign, meaning] = ticks[message.status] ?? ['', '']
    const again = message.status === 'failed' || message.status === 'unknown'
    return element(
      'div',
      { class: `bubble ${message.direction}${fresh ? ' new' : ''}`, 'data-id': message.id },
      fileOf(message),
      element('div', { class: `words${dim ? ' dim' : ''}` }, words),
      outbound && again
        ? element(
            'div',
            { class: 'wrong' },
            message.status === 'failed' ? (message.error?.title ?? 'It could not be sent.') : 'It may or may not have been sent.',
            ' ',
            element('button', { type: 'button', class: 'quiet again', onclick: () => retry(message.id) }, 'Send again'),
          )
        : undefined,
      element(
        'div',
        { class: 'foot' },
        message.reactions?.length > 0 ? element('span', { class: 'reactions' }, message.reactions.map(({ emoji }) => emoji).join(' ')) : undefined,
        message.edited_at === undefined || message.revoked_at !== undefined ? undefined : element('span', {}, 'edited'),
        element('time', { datetime: message.occurred_at }, timeOf(message.occurred_at)),
        outbound
          ? element(
              'span',
              { class: `tick ${message.status === 'played' ? 'read' : message.status}`, title: meaning, role: 'img', 'aria-label': meaning },
              sign,
            )
          : undefined,
      ),
    )
  }

  function render(freshId) {
    const stay = nearEnd()
    let day
    const nodes = []
    for (const message of messages) {
      if (dayOf(message.occurred_at) !== day) {
        day = dayOf(message.occurred_at)
        nodes.push(element('div', { class: 'day' }, dayName(message.occurred_at)))
      }
      nodes.push(bubble(message, message.id === freshId))
    }
    list.replaceChildren(...nodes)
    if (stay || freshId !== undefined) list.scrollTop = list.scrollHeight
  }

  function put(message) {
    const place = messages.findIndex(({ id }) => id === message.id)
    if (place === -1) {
      messages.push(message)
      return true
    }
    const known = messages[place]
    if ((known.version ?? 0) <= (message.version ?? 0)) messages[place] = message
    return false
  }

  /** Never back, as reports overtake each other, except for a message that is sent again. */
  function advance(change) {
    const message = messages.find(({ id }) => id === change.id)
    if (message === undefined) return false
    const forward = (ranks[change.status] ?? 0) > (ranks[message.status] ?? 0)
    const again = ['failed', 'unknown', 'sending'].includes(message.status) && (ranks[change.status] ?? 0) < 2
    if (!forward && !again) return false
    message.status = change.status
    message.error = change.error
    return true
  }

  async function open(next, { after } = {}) {
    const mine = ++generation
    const same = conversation?.id === next.id
    conversation = next
    mistake(undefined)
    $('thread-empty').hidden = true
    $('thread-open').hidden = false
    head()
    if (!same) {
      messages = []
      reachedStart = false
      $('text').value = ''
      list.replaceChildren(element('p', { class: 'day' }, 'Loading…'))
    }
    const told = (meanwhile = { messages: [], statuses: [] })
    try {
      const page = await api.get(`/v1/conversations/${next.id}/messages?limit=${pageSize}`, { after })
      if (mine !== generation) return
      meanwhile = undefined
      messages = page.data.toReversed()
      reachedStart = page.data.length < pageSize
      for (const message of told.messages) put(message)
      for (const change of told.statuses) advance(change)
      render()
      list.scrollTop = list.scrollHeight
      markRead()
    } catch (error) {
      if (mine === generation) list.replaceChildren(element('p', { class: 'mistake', role: 'alert' }, error.message))
    }
  }

  async function older() {
    if (reachedStart || loadingOlder || messages.length === 0) return
    loadingOlder = true
    const mine = generation
    try {
      const page = await api.get(`/v1/conversations/${conversation.id}/messages?limit=${pageSize}&before=${encodeURIComponent(messages[0].id)}`)
      if (mine !== generation) return
      reachedStart = page.data.length < pageSize
      const fromEnd = list.scrollHeight - list.scrollTop
      messages = [...page.data.toReversed(), ...messages]
      render()
      list.scrollTop = list.scrollHeight - fromEnd
    } catch (error) {
      mistake(error.message)
    } finally {
      loadingOlder = false
    }
  }

  /** Read is what a person had on the screen: an open conversation in a visible tab. */
  function markRead() {
    if (conversation === undefined || conversation.unread_count === 0 || document.hidden) return
    const last = messages.findLast(({ direction }) => direction === 'inbound')
    if (last !== undefined) api.post(`/v1/conversations/${conversation.id}/read`, { message_id: last.id }).catch(() => undefined)
  }

  async function send() {
    const text = $('text').value.trim()
    if (text === '' || $('text').disabled) return
    const key = randomId()
    const { id } = conversation
    mistake(undefined)
    $('text').value = ''
    grow()
    try {
      const sent = await api.post(`/v1/conversations/${id}/messages`, { text }, { idempotencyKey: key })
      if (conversation.id !== id || messages.some((one) => one.id === sent.id)) return
      const now = new Date().toISOString()
      const mine = {
        id: sent.id,
        conversation_id: id,
        direction: 'outbound',
        type: 'text',
        content: { text: { body: text } },
        status: 'queued',
        occurred_at: now,
      }
      meanwhile?.messages.push(mine)
      put(mine)
      render(sent.id)
    } catch (error) {
      if (conversation.id !== id) return
      if ($('text').value === '') $('text').value = text
      mistake(error.message)
    }
  }

  async function retry(id) {
    try {
      await api.post(`/v1/messages/${id}/retry`, {}, { idempotencyKey: randomId() })
    } catch (error) {
      mistake(error.message)
    }
  }

  function grow() {
    $('text').style.height = 'auto'
    $('text').style.height = `${$('text').scrollHeight + 2}px`
  }

  $('thread-hint').textContent = demo ? 'Write on the phone as a customer, then choose the conversation on the left.' : 'Choose one on the left.'
  list.addEventListener('scroll', () => {
    if (list.scrollTop < 60) void older()
  })
  document.addEventListener('visibilitychange', markRead)
  $('text').addEventListener('input', grow)
  $('text').addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
    event.preventDefault()
    void send()
  })
  $('composer').addEventListener('submit', (event) => {
    event.preventDefault()
    void send()
  })
  $('resolve').addEventListener('click', () => {
    const status = conversation.status === 'resolved' ? 'open' : 'resolved'
    api.post(`/v1/conversations/${conversation.id}/status`, { status }).catch((error) => mistake(error.message))
  })

  return {
    open,
    openId: () => conversation?.id,
    /** A message that came or was queued. */
    message(message) {
      if (message.conversation_id !== conversation?.id) return
      meanwhile?.messages.push(message)
      const fresh = put(message)
      render(fresh ? message.id : undefined)
      markRead()
    },
    /** A message as it is now: reacted to, edited or deleted. One that is not loaded comes like this when it is. */
    change(message) {
      if (!messages.some(({ id }) => id === message.id)) return
      put(message)
      render()
    },
    /** A file that came after its message. */
    media({ message_id, media }) {
      const message = messages.find(({ id }) => id === message_id)
      if (message === undefined) return
      message.media = media
      render()
    },
    status(change) {
      meanwhile?.statuses.push(change)
      if (advance(change)) render()
    },
    conversation(next) {
      if (next.id !== conversation?.id || next.version < conversation.version) return
      conversation = next
      head()
    },
    contact(contact) {
      if (contact.id !== conversation?.contact.id) return
      conversation = { ...conversation, contact: { id: contact.id, name: contact.name, phone: contact.phone, erased: contact.erased } }
      head()
    },
  }
}
