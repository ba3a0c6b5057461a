import { expect } from 'vitest'
import { startRecado, type RunningRecado } from './processes.ts'

type Json = Record<string, unknown>

/** An installation with its demo: the simulator signs and delivers webhooks as Meta does. */
export async function startDemo(env: Readonly<Record<string, string>>) {
  const recado: RunningRecado = await startRecado({ env })
  const session = (await (await fetch(`${recado.url}/demo/session`)).json()) as { api_key: string }
  const headers = { authorization: `Bearer ${session.api_key}`, 'content-type': 'application/json' }
  const get = async (path: string, more: Record<string, string> = {}): Promise<Json> =>
    (await (await fetch(`${recado.url}${path}`, { headers: { ...headers, ...more } })).json()) as Json
  const list = async (path: string): Promise<Json[]> => (await get(path))['data'] as Json[]
  const messages = async (): Promise<Json[]> => {
    const [conversation] = await list('/v1/conversations')
    return list(`/v1/conversations/${String(conversation?.['id'])}/messages?limit=100`)
  }
  return {
    ...recado,
    get,
    list,
    post: async (path: string, body: Json) => fetch(`${recado.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) }),
    async customerWrites(text: string): Promise<void> {
      const sent = await fetch(`${recado.url}/simulator/_sim/customers/+5491155550123/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ phone_number_id: '100000000000001', type: 'text', text: { body: text } }),
      })
      expect(sent.status).toBe(200)
    },
    texts: async (): Promise<string[]> => {
      return (await messages()).map((message) => JSON.stringify(message['content'])).sort()
    },
    sent: async (): Promise<unknown[]> => {
      return (await messages()).filter(({ direction }) => direction === 'outbound').map(({ status }) => status)
    },
  }
}
