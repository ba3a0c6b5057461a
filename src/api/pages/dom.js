/** Everything shown goes through `textContent`: what a customer writes is never markup. */
export const $ = (id) => document.getElementById(id)

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    if (name === 'class') node.className = value
    else if (name.startsWith('on')) node.addEventListener(name.slice(2), value)
    else node.setAttribute(name, value === true ? '' : value)
  }
  node.append(...children.filter((child) => child !== undefined && child !== ''))
  return node
}

export const initials = (name) =>
  name
    .split(/\s+/)
    .filter((word) => /\p{L}|\p{N}/u.test(word))
    .slice(0, 2)
    .map((word) => Array.from(word)[0].toUpperCase())
    .join('') || '?'

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const date = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const longDate = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })

export const dayOf = (at) => new Date(at).toDateString()
export const timeOf = (at) => clock.format(new Date(at))
export const shortWhen = (at) => (dayOf(at) === new Date().toDateString() ? timeOf(at) : date.format(new Date(at)))
export const dayName = (at) => (dayOf(at) === new Date().toDateString() ? 'Today' : longDate.format(new Date(at)))
