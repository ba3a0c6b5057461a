// The phone of one simulated customer. State: who holds it (`me`), which business number is open, the messages of that chat by id.
// The server is the truth: the chat is loaded anew whenever the event stream (re)connects, and single events only hurry it.

const $ = (id) => document.getElementById(id)
const make = (tag, className, text) => Object.assign(document.createElement(tag), { className: className ?? '', textContent: text ?? '' })
const params = new URLSearchParams(location.search)
const embedded = params.get('embed') === '1'
if (embedded) document.documentElement.classList.add('embed')

const state = { me: undefined, numbers: [], number: '', messages: new Map(), replyTo: undefined, stream: undefined, typingUntil: undefined }

async function call(method, path, body) {
  const response = await fetch(`./_sim/${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  const answer = await response.json()
  if (!response.ok) throw new Error(answer.error ?? `HTTP ${response.status}`)
  return answer
}

const digits = (text) => text.replace(/\D/g, '')
const initials = (name) => [...name.trim()].slice(0, 1).join('').toUpperCase()
const clock = (at) => new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })

function remember(key, value) {
  try {
    sessionStorage.setItem(key, value)
  } catch {
    // Storage may be closed to a framed page; then the phone forgets its owner on reload.
  }
}
function recall(key) {
  try {
    return sessionStorage.getItem(key) ?? undefined
  } catch {
    return undefined
  }
}

function notice(text) {
  $('notice').textContent = text ?? ''
  $('notice').hidden = !text
}

// --- who holds the phone -------------------------------------------------

async function showPeople() {
  const { data } = await call('GET', 'customers')
  const items = data.slice(0, 30).map((customer) => {
    const item = make('li')
    const button = make('button')
    button.type = 'button'
    const text = make('span', '', customer.name)
    text.append(make('small', '', `+${customer.phone}${customer.hidden ? ' · number hidden' : ''}`))
    button.append(make('span', 'avatar', initials(customer.name)), text)
    button.addEventListener('click', () => void hold(customer.phone))
    item.append(button)
    return item
  })
  $('people-list').replaceChildren(...items)
  $('people-close').hidden = state.me === undefined
  $('people').hidden = false
  $('chat').inert = true
}

function hidePeople() {
  $('people').hidden = true
  $('chat').inert = false
  $('text').focus()
}

/** From now on the phone is this customer's; reading is up to the person in front of it. */
async function hold(phone, details = {}) {
  state.me = await call('PATCH', `customers/${digits(phone)}`, { auto_read: false, ...details })
  remember('phone', state.me.phone)
  $('who').textContent = `${state.me.name} · +${state.me.phone}`
  $('receipts').checked = state.me.read_receipts
  hidePeople()
  await openChat()
}

$('new-customer').addEventListener('submit', async (event) => {
  event.preventDefault()
  const form = new FormData(event.target)
  try {
    const created = await call('POST', 'customers', {
      phone: form.get('phone'),
      name: form.get('name').trim(),
      hidden: form.get('hidden') === 'on',
      auto_read: false,
    })
    event.target.reset()
    $('new-customer-error').textContent = ''
    await hold(created.phone)
  } catch (error) {
    $('new-customer-error').textContent = `That did not work: ${error.message}`
  }
})
$('me').addEventListener('click', () => void showPeople())
$('people-close').addEventListener('click', hidePeople)
$('receipts').addEventListener('change', async (event) => {
  state.me = await call('PATCH', `customers/${state.me.phone}`, { read_receipts: event.target.checked })
  if (event.target.checked) await markRead()
})

// --- the chat ------------------------------------------------------------

async function loadNumbers() {
  const { numbers } = await call('GET', 'state')
  state.numbers = numbers
  const wanted = params.get('number') ?? recall('number') ?? state.number
  state.number = numbers.some((number) => number.id === wanted) ? wanted : (numbers[0]?.id ?? '')
  $('number').replaceChildren(
    ...numbers.map((number) => new Option(`${number.verified_name} · ${number.display_phone_number}`, number.id, false, number.id === state.number)),
  )
  showNumber()
}

function showNumber() {
  const number = state.numbers.find((item) => item.id === state.number)
  $('avatar').textContent = initials(number?.verified_name ?? '?')
  $('presence').textContent = number ? `business account · ${number.display_phone_number}` : ''
  notice(number ? '' : 'There is no business number yet.')
}

$('number').addEventListener('change', async (event) => {
  state.number = event.target.value
  remember('number', state.number)
  showNumber()
  await openChat()
})

async function openChat() {
  if (!state.me || !state.number) return
  const query = new URLSearchParams({ customer: state.me.phone, phone_number_id: state.number })
  state.stream?.close()
  setTyping(false)
  const stream = new EventSource(`./_sim/events?${query}`)
  state.stream = stream
  // `open` comes at the start and after every interruption: what was missed is in the chat that is loaded then.
  stream.addEventListener('open', () => void loadChat())
  stream.addEventListener('message', (event) => onEvent(JSON.parse(event.data)))
  stream.addEventListener('error', () => ($('presence').textContent = 'connecting …'))
}

async function loadChat() {
  const { messages } = await call('GET', `customers/${state.me.phone}/chat?phone_number_id=${state.number}`)
  state.messages = new Map(messages.map((message) => [message.id, message]))
  showNumber()
  render()
  await markRead()
}

function onEvent(event) {
  if (event.type === 'message') {
    state.messages.set(event.message.id, event.message)
    if (event.message.direction === 'business') setTyping(false)
    render()
    void markRead()
  } else if (event.type === 'status') {
    const message = state.messages.get(event.id)
    if (!message) return
    message.status = event.status
    render()
    if (event.status === 'delivered') void markRead()
  } else if (event.type === 'business_read') {
    let reached = false
    for (const message of [...state.messages.values()].reverse()) {
      reached ||= message.id === event.id
      if (reached && message.direction === 'customer') message.status = 'read'
    }
    render()
  } else if (event.type === 'typing') setTyping(true)
}

function setTyping(on) {
  clearTimeout(state.typingUntil)
  $('typing').hidden = !on
  if (on) {
    state.typingUntil = setTimeout(() => setTyping(false), 25_000)
    scrollDown()
  }
}

/** The chat is open in front of somebody, so what was delivered is read. A message not yet delivered will be when its status comes. */
async function markRead() {
  if (!state.me || document.visibilityState !== 'visible' || !$('people').hidden) return
  const unread = [...state.messages.values()].some((message) => message.direction === 'business' && message.status === 'delivered')
  if (unread) await call('POST', `customers/${state.me.phone}/read`, { phone_number_id: state.number })
}
document.addEventListener('visibilitychange', () => void markRead())

// --- drawing -------------------------------------------------------------

function preview(message) {
  const object = message.object ?? {}
  return object.body?.text ?? object.body ?? object.caption ?? object.name ?? `[${message.type}]`
}

function mediaOf(message, tag) {
  const { id, link } = message.object
  const node = make(tag)
  node.src = link ?? `./_sim/media/${id}`
  if (tag === 'img') node.alt = message.object.caption ?? message.type
  else node.controls = true
  node.addEventListener('load', scrollDown)
  return node
}

/** What a business message says, for each type; unknown ones show their object. */
function contentOf(message) {
  const object = message.object ?? {}
  const caption = object.caption ? [make('div', 'body', object.caption)] : []
  switch (message.type) {
    case 'text':
      return [make('div', 'body', object.body)]
    case 'image':
    case 'sticker':
      return [mediaOf(message, 'img'), ...caption]
    case 'video':
      return [mediaOf(message, 'video'), ...caption]
    case 'audio':
      return [mediaOf(message, 'audio')]
    case 'document':
      return [make('div', 'body', `📄 ${object.filename ?? 'Document'}`), ...caption]
    case 'location':
      return [
        make('div', 'body', `📍 ${object.name ?? `${object.latitude}, ${object.longitude}`}`),
        ...(object.address ? [make('div', 'small', object.address)] : []),
      ]
    case 'contacts':
      return object.map((contact) => make('div', 'body', `👤 ${contact.name?.formatted_name ?? 'Contact'}`))
    case 'interactive':
      return interactiveOf(message)
    case 'template':
      return templateOf(object)
    case 'button':
      return [make('div', 'body', object.text)]
    default:
      return [make('div', 'small', `[${message.type}]`), make('div', 'small', JSON.stringify(object))]
  }
}

function templateOf(template) {
  const values = (template.components ?? [])
    .flatMap((component) => component.parameters ?? [])
    .map((parameter) => parameter.text ?? parameter.payload ?? `[${parameter.type}]`)
  return [make('div', 'strong', `Template ${template.name}`), ...(values.length > 0 ? [make('div', 'body', values.join(' · '))] : [])]
}

function interactiveOf(message) {
  const { object } = message
  const chosen = object.button_reply ?? object.list_reply
  if (chosen) return [make('div', 'body', chosen.title)]
  const parts = [
    object.header?.text && make('div', 'strong', object.header.text),
    object.body?.text && make('div', 'body', object.body.text),
    object.footer?.text && make('div', 'small', object.footer.text),
  ]
  const choices = make('div', 'choices')
  const add = (title, interactive) => {
    const button = make('button', '', title)
    button.type = 'button'
    button.addEventListener('click', () => void write({ type: 'interactive', interactive, context: { message_id: message.id } }))
    choices.append(button)
  }
  for (const { reply } of object.action?.buttons ?? []) if (reply) add(reply.title, { type: 'button_reply', button_reply: reply })
  if (object.type === 'list')
    for (const row of object.action.sections.flatMap((section) => section.rows)) add(row.title, { type: 'list_reply', list_reply: row })
  if (object.type === 'cta_url') {
    const link = make('a', '', object.action.parameters.display_text)
    Object.assign(link, { href: object.action.parameters.url, target: '_blank', rel: 'noreferrer noopener' })
    choices.append(link)
  }
  return [...parts.filter(Boolean), ...(choices.childElementCount > 0 ? [choices] : [])]
}

function ticksOf(message) {
  const read = message.status === 'read'
  const ticks = make('span', `ticks${read ? ' read' : ''}`, '✓✓')
  ticks.setAttribute('aria-label', read ? 'read by the business' : 'delivered')
  return ticks
}

function draw(message) {
  const mine = message.direction === 'customer'
  if (message.type === 'reaction') {
    const item = make('li', `reaction${mine ? ' mine' : ''}`, message.object.emoji)
    item.hidden = !message.object.emoji
    return item
  }
  const item = make('li', `message ${mine ? 'mine' : 'theirs'}`)
  const quoted = message.context_id && state.messages.get(message.context_id)
  if (quoted) item.append(make('div', 'quoted', preview(quoted)))
  item.append(...contentOf(message))
  const foot = make('div', 'foot')
  foot.append(make('span', '', clock(message.at)))
  if (mine) foot.append(ticksOf(message))
  item.append(foot)
  if (!mine) {
    const reply = make('button', 'reply', '↩')
    reply.type = 'button'
    reply.title = 'Reply'
    reply.addEventListener('click', () => setReply(message))
    item.append(reply)
  }
  return item
}

function render() {
  // What the business sent arrives with `delivered`; a failed message never does.
  const arrived = (message) => message.direction === 'customer' || ['delivered', 'read', 'played'].includes(message.status)
  const shown = [...state.messages.values()].filter(arrived).sort((a, b) => a.at - b.at)
  const list = $('messages')
  if (shown.length === 0) list.replaceChildren(make('li', 'empty', 'Write the first message. The business answers here.'))
  else list.replaceChildren(...shown.map(draw))
  scrollDown()
}

function scrollDown() {
  $('messages').scrollTop = $('messages').scrollHeight
}

// --- writing -------------------------------------------------------------

function setReply(message) {
  state.replyTo = message?.id
  $('quote').hidden = !message
  $('quote-text').textContent = message ? preview(message) : ''
  if (message) $('text').focus()
}
$('quote-close').addEventListener('click', () => setReply(undefined))

async function write(message) {
  const context = message.context ?? (state.replyTo && { message_id: state.replyTo })
  try {
    await call('POST', `customers/${state.me.phone}/messages`, { phone_number_id: state.number, ...message, ...(context && { context }) })
    setReply(undefined)
    notice('')
    return true
  } catch (error) {
    notice(`Not sent: ${error.message}`)
    return false
  }
}

async function sendText() {
  const field = $('text')
  const body = field.value.trim()
  if (body === '') return
  if (await write({ type: 'text', text: { body } })) {
    field.value = ''
    grow()
  }
}

function grow() {
  const field = $('text')
  field.style.height = 'auto'
  field.style.height = `${field.scrollHeight + 2}px`
}

$('composer').addEventListener('submit', (event) => {
  event.preventDefault()
  void sendText()
})
$('text').addEventListener('input', grow)
$('text').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  void sendText()
})
$('picture').addEventListener('change', async (event) => {
  const [file] = event.target.files
  event.target.value = ''
  if (!file) return
  if (file.size > 5 * 1024 * 1024) return notice('A picture may have 5 MB.')
  const bytes = new Uint8Array(await file.arrayBuffer())
  let binary = ''
  for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000))
  const caption = $('text').value.trim()
  if (await write({ type: 'image', image: { data_base64: btoa(binary), mime_type: file.type, ...(caption && { caption }) } })) {
    $('text').value = ''
    grow()
  }
})

// --- start ---------------------------------------------------------------

async function start() {
  await loadNumbers()
  const phone = params.get('phone') ?? recall('phone')
  const name = params.get('name')
  if (phone) {
    try {
      await hold(phone, name ? { name } : {})
      return
    } catch (error) {
      notice(error.message)
    }
  }
  await showPeople()
}

// The business side may come up after the page: try until there is a number to write to.
start().catch((error) => {
  notice(`The simulator does not answer: ${error.message}`)
  setTimeout(() => location.reload(), 2000)
})
setInterval(async () => {
  if (state.numbers.length > 0) return
  await loadNumbers().catch(() => {})
  if (state.numbers.length > 0) await openChat()
}, 2000)
