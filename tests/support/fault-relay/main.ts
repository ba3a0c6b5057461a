import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { startFaultRelay, type FaultRelay, type RelayTarget } from '../fault-relay.ts'

/**
 * The relay as a program: `node tests/support/fault-relay/main.ts --listen 5433 --to 127.0.0.1:5432 --control 5434`, then a word per line on stdin, or
 * `curl -X POST localhost:5434 -d 'black-hole'`. Every word is answered with the state of the relay.
 */
const words: Readonly<Record<string, (relay: FaultRelay, ...rest: string[]) => unknown>> = {
  'black-hole': (relay, direction = 'both') =>
    relay.blackHole(direction === 'toServer' || direction === 'toClient' || direction === 'both' ? direction : unknown(direction)),
  delay: (relay, ms, jitter) => relay.delay(number(ms), number(jitter ?? '0')),
  bandwidth: (relay, bytesPerSecond) => relay.bandwidth(number(bytesPerSecond)),
  heal: (relay) => relay.heal(),
  drop: (relay) => relay.drop(),
  reset: (relay) => relay.reset(),
  'half-open': (relay) => relay.halfOpen(),
  down: async (relay) => relay.down(),
  up: async (relay) => relay.up(),
  stats: () => undefined,
  'cut-answers': (relay, chance) => {
    const share = number(chance)
    relay.cutAnswers(share === 0 ? undefined : () => Math.random() < share)
  },
}

function number(text: string | undefined): number {
  const value = Number(text)
  return text !== undefined && value >= 0 ? value : unknown(text ?? 'nothing, where a number should be')
}

function unknown(text: string): never {
  throw new Error(`${text}? The words: ${Object.keys(words).join(', ')}`)
}

async function obey(relay: FaultRelay, line: string): Promise<string> {
  const [word = '', ...rest] = line.trim().split(/\s+/)
  try {
    await (words[word] ?? (() => unknown(word)))(relay, ...rest)
    return JSON.stringify({ address: relay.address, connections: relay.connections(), ...relay.stats() })
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function targetOf(text: string): RelayTarget {
  if (text.startsWith('/')) return { path: text }
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon), port: number(text.slice(colon + 1)) }
}

const { values } = parseArgs({
  options: { listen: { type: 'string', default: '0' }, host: { type: 'string' }, to: { type: 'string' }, control: { type: 'string' } },
})
const relay = await startFaultRelay({
  target: targetOf(values.to ?? unknown('no --to')),
  port: number(values.listen),
  ...(values.host === undefined ? {} : { host: values.host }),
})
console.log(await obey(relay, 'stats'))
createInterface({ input: process.stdin }).on('line', (line) => void obey(relay, line).then(console.log))
if (values.control !== undefined)
  createServer((req, res) => {
    let said = ''
    req.setEncoding('utf8').on('data', (chunk: string) => (said += chunk))
    req.on('end', () => void obey(relay, said === '' ? 'stats' : said).then((answer) => res.end(`${answer}\n`)))
  }).listen(number(values.control), '127.0.0.1')
