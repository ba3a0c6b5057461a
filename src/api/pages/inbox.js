import { $, element, initials, shortWhen } from './dom.js'

export const nameOf = (conversation) =>
  conversation.contact.name ?? conversation.contact.phone ?? (conversation.contact.erased ? 'Erased contact' : 'Unknown')

const filters = { '': '', unread: '&unread=true', open: '&status=open', resolved: '&status=resolved' }
const shows = {
  '': () => true,
  unread: (one) => one.unread_count > 0,
  open: (one) => one.status === 'open',
  resolved: (one) => one.status === 'resolved',
}
const emptyText = {
  '': 'Nobody has written yet.',
  unread: 'Everything is read.',
  open: 'No open conversation.',
  resolved: 'No resolved conversation.',
}

/** The list on the left: what was loaded, kept true by the feed. Newest activity first. */
export function createInbox(api, { onChoose, demo }) {
  const conversations = new Map()
  let filter = ''
  let cursor = null
  let chosen
  let loading = 0
  /** What the feed told while a page was being loaded: it may be newer than the answer. */
  let toldMeanwhile = new Set()

  const activity = (one) => one.last_message?.at ?? one.created_at
  const shown = () =>
    [...conversations.values()].filter((one) => shows[filter](one) || one.id === chosen).sort((a, b) => (activity(a) < activity(b) ? 1 : -1))

  async function load({ more = false, after } = {}) {
    const mine = ++loading
    toldMeanwhile = new Set()
    if (conversations.size === 0) $('list-note').textContent = 'Loading…'
    try {
      const page = await api.get(`/v1/conversations?limit=50${filters[filter]}${more && cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`, {
        after,
      })
      if (mine !== loading) return
      if (!more) forget(new Set(page.data.map(({ id }) => id)))
      for (const one of page.data) put(one)
      cursor = page.next_cursor
      render()
    } catch (error) {
      if (mine !== loading) return
      $('list-note').replaceChildren(
        `${error.message} `,
        element('button', { type: 'button', class: 'quiet', onclick: () => load({ more, after }) }, 'Try again'),
      )
      throw error
    }
  }

  function forget(kept) {
    for (const id of conversations.keys()) if (!kept.has(id) && !toldMeanwhile.has(id)) conversations.delete(id)
  }

  /** Only what is newer than what is here: an answer of the query may be older than what the feed already told. */
  function put(one) {
    const known = conversations.get(one.id)
    if (known === undefined || known.version <= one.version) conversations.set(one.id, one)
  }

  function row(one) {
    const name = nameOf(one)
    const unread = one.unread_count > 0
    const last = one.last_message
    const preview = last === undefined ? '' : `${last.direction === 'outbound' ? 'You: ' : ''}${last.preview}`
    return element(
      'li',
      {},
      element(
        'button',
        {
          type: 'button',
          class: `row${unread ? ' unread' : ''}`,
          'data-id': one.id,
          'aria-current': one.id === chosen ? 'true' : undefined,
          'aria-label': `${name}${unread ? `, ${one.unread_count} unread` : ''}. ${preview}`,
          onclick: () => onChoose(one.id),
        },
        element('span', { class: 'avatar', 'aria-hidden': 'true' }, initials(name)),
        element('span', { class: 'name' }, name),
        element('span', { class: 'when end' }, shortWhen(activity(one))),
        element(
          'span',
          { class: 'line' },
          element('span', { class: 'preview' }, preview),
          unread ? element('span', { class: 'badge' }, String(one.unread_count)) : undefined,
        ),
      ),
    )
  }

  function render() {
    const focused = document.activeElement?.dataset?.id
    const rows = shown()
    $('conversations').replaceChildren(...rows.map(row))
    if (focused !== undefined)
      $('conversations')
        .querySelector(`[data-id="${CSS.escape(focused)}"]`)
        ?.focus()
    const hint = filter === '' && demo ? ' Write a message on the phone, as a customer would.' : ''
    $('list-note').textContent = rows.length === 0 ? emptyText[filter] + hint : ''
    $('more').hidden = cursor === null
    const total = [...conversations.values()].reduce((sum, one) => sum + one.unread_count, 0)
    $('unread-total').hidden = total === 0
    $('unread-total').textContent = String(total)
    document.title = total === 0 ? 'Recado' : `(${total}) Recado`
  }

  $('more').addEventListener('click', () => load({ more: true }).catch(() => undefined))
  for (const button of document.querySelectorAll('[data-filter]')) {
    button.addEventListener('click', () => {
      filter = button.dataset.filter
      for (const other of document.querySelectorAll('[data-filter]')) other.setAttribute('aria-pressed', String(other === button))
      cursor = null
      load().catch(() => undefined)
    })
  }
  $('conversations').addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return
    const rows = [...$('conversations').querySelectorAll('.row')]
    const next = rows[rows.indexOf(document.activeElement) + (event.key === 'ArrowDown' ? 1 : -1)]
    if (next === undefined) return
    event.preventDefault()
    next.focus()
  })

  return {
    load,
    get: (id) => conversations.get(id),
    update(one) {
      toldMeanwhile.add(one.id)
      put(one)
      render()
    },
    updateContact(contact) {
      for (const one of conversations.values()) {
        if (one.contact.id !== contact.id) continue
        const { id, name, phone, wa_id, erased } = contact
        conversations.set(one.id, { ...one, contact: { id, name, phone, wa_id, erased } })
      }
      render()
    },
    choose(id) {
      chosen = id
      render()
    },
  }
}
