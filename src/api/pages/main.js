import { createApi } from './api.js'
import { $, element } from './dom.js'
import { openFeed } from './feed.js'
import { createInbox } from './inbox.js'
import { createThread } from './thread.js'

const stored = 'recado.key'
const show = (view) => {
  document.body.dataset.view = view
}

/** In a demo on this very machine the server says which key to use; anywhere else a person does. */
async function demoSession() {
  try {
    const response = await fetch('/demo/session')
    return response.ok ? await response.json() : undefined
  } catch {
    return undefined
  }
}

function askForKey(mistake) {
  $('sign-in').hidden = false
  $('desk').hidden = true
  $('sign-in-mistake').hidden = mistake === undefined
  $('sign-in-mistake').textContent = mistake ?? ''
  $('api-key').focus()
}

function connection(state) {
  $('connection').hidden = false
  $('connection').dataset.state = state
  $('connection').textContent = { connecting: 'Connecting…', live: 'Live', reconnecting: 'Reconnecting…' }[state]
}

function addPhone(address) {
  $('phone').append(element('iframe', { src: address, title: 'Simulated phone of a customer' }))
  const place = () => {
    const on = $('show-phone').getAttribute('aria-pressed') === 'true'
    $('phone').hidden = !on && !matchMedia('(max-width: 54rem)').matches
    $('desk').classList.toggle('with-phone', on)
  }
  $('show-phone').hidden = false
  $('show-phone').addEventListener('click', () => {
    if (matchMedia('(max-width: 54rem)').matches) return show(document.body.dataset.view === 'phone' ? 'list' : 'phone')
    $('show-phone').setAttribute('aria-pressed', String($('show-phone').getAttribute('aria-pressed') !== 'true'))
    place()
  })
  addEventListener('resize', place)
  place()
}

async function start(key, demo) {
  const api = createApi(key)
  const tenant = await api.get('/v1/tenant').catch((error) => {
    if (error.status === 403) return { name: '' }
    throw error
  })
  $('tenant').textContent = tenant.name
  $('sign-in').hidden = true
  $('desk').hidden = false
  $('sign-out').hidden = demo !== undefined
  if (demo?.phone_url !== undefined) addPhone(demo.phone_url)

  const inbox = createInbox(api, { onChoose: choose, demo: demo !== undefined })
  const thread = createThread(api, { demo: demo !== undefined })

  function choose(id) {
    const conversation = inbox.get(id)
    if (conversation === undefined) return
    inbox.choose(id)
    show('thread')
    void thread.open(conversation)
  }

  async function reload(position) {
    await inbox.load({ after: position }).catch(() => undefined)
    const open = inbox.get(thread.openId())
    if (open !== undefined) await thread.open(open, { after: position })
  }

  function changed(conversation) {
    inbox.update(conversation)
    thread.conversation(conversation)
  }

  function tell({ type, data }) {
    switch (type) {
      case 'message.reaction':
      case 'message.edited':
      case 'message.revoked': {
        const { conversation, ...message } = data
        changed(conversation)
        return thread.change(message)
      }
      case 'message.received':
      case 'message.queued': {
        const { conversation, ...message } = data
        changed(conversation)
        return thread.message(message)
      }
      case 'media.stored':
        return thread.media(data)
      case 'message.status':
        return thread.status(data)
      case 'conversation.created':
      case 'conversation.updated':
      case 'conversation.read':
        return changed(data)
      case 'contact.created':
      case 'contact.updated':
        inbox.updateContact(data)
        return thread.contact(data)
    }
  }

  const feed = openFeed(key, {
    onState: connection,
    onHello: reload,
    onResync: reload,
    onEvent: tell,
    onRefused: (code) =>
      leave(code === 4403 ? 'This key may not listen to the live feed, or the organisation is suspended.' : 'This key is not valid any more.'),
  })

  function leave(mistake) {
    feed.close()
    sessionStorage.removeItem(stored)
    if (mistake === undefined) return location.reload()
    $('connection').hidden = true
    askForKey(mistake)
  }
  $('sign-out').addEventListener('click', () => leave())
  $('back').addEventListener('click', () => show('list'))
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && document.body.dataset.view === 'thread') show('list')
  })
}

async function begin(key, demo) {
  try {
    await start(key, demo)
  } catch (error) {
    sessionStorage.removeItem(stored)
    askForKey(error.status === 401 ? 'This key is not valid.' : error.message)
  }
}

$('sign-in-form').addEventListener('submit', (event) => {
  event.preventDefault()
  const key = $('api-key').value.trim()
  sessionStorage.setItem(stored, key)
  $('api-key').value = ''
  void begin(key)
})

const demo = await demoSession()
const key = demo?.api_key ?? sessionStorage.getItem(stored)
if (key === null || key === undefined) askForKey()
else await begin(key, demo)
