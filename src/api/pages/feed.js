/**
 * The live feed. States: connecting → live → waiting → connecting …, or refused (the key is not valid any more).
 * Resumes from the last position seen, so nothing is lost or shown twice; a `resync` means: load again.
 */
export function openFeed(key, { onState, onHello, onEvent, onResync, onRefused }) {
  let position
  let tries = 0
  let socket
  let timer
  let closed = false

  function connect() {
    clearTimeout(timer)
    onState(tries === 0 ? 'connecting' : 'reconnecting')
    const address = new URL('/v1/feed', location.href)
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:'
    socket = new WebSocket(address)
    socket.onopen = () => socket.send(JSON.stringify({ type: 'auth', token: key, ...(position === undefined ? {} : { after: position }) }))
    socket.onmessage = ({ data }) => receive(JSON.parse(data))
    socket.onclose = ({ code }) => {
      if (closed) return
      if (code === 4401 || code === 4403) return onRefused(code)
      onState('reconnecting')
      const pause = Math.min(10_000, 300 * 2 ** tries++) * (0.7 + Math.random() * 0.6)
      timer = setTimeout(connect, pause)
    }
  }

  function receive(frame) {
    if (frame.type === 'error') return
    if (frame.type === 'hello') {
      tries = 0
      const first = position === undefined
      position = frame.position
      onState('live')
      if (first) onHello(position)
      return
    }
    position = frame.position
    if (frame.type === 'resync') return onResync(position)
    onEvent(frame)
  }

  addEventListener('online', () => {
    if (!closed && socket.readyState === WebSocket.CLOSED) connect()
  })
  connect()
  return {
    close() {
      closed = true
      clearTimeout(timer)
      socket.close()
    },
  }
}
