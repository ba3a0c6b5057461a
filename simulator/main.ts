#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { startSimulator } from './simulator.ts'
import { unlimited } from './world/switches.ts'

const usage = `A local WhatsApp Cloud API with a simulated phone.

  node simulator/main.ts [--port 4010] [--host 127.0.0.1] [--app-secret …] [--verify-token …] [--webhook-url http://localhost:8080/webhooks/meta]
                         [--waba-id …] [--phone-number-id …] [--token …] [--name "My business"] [--unlimited]

--unlimited turns off Meta's limits (messages per second, pair limit, 24-hour window), for load tests.
`

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4010' },
    host: { type: 'string', default: '127.0.0.1' },
    'app-secret': { type: 'string', default: process.env['META_APP_SECRET'] ?? 'simulated-app-secret' },
    'verify-token': { type: 'string', default: process.env['META_VERIFY_TOKEN'] ?? 'simulated-verify-token' },
    'webhook-url': { type: 'string' },
    'waba-id': { type: 'string', default: '100000000000010' },
    'phone-number-id': { type: 'string', default: '100000000000020' },
    token: { type: 'string', default: 'simulated-access-token' },
    name: { type: 'string', default: 'Simulated business' },
    unlimited: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

const say = (line: string): void => void process.stdout.write(`${line}\n`)

if (values.help) {
  say(usage)
  process.exit(0)
}

const webhookUrl = values['webhook-url']
const simulator = await startSimulator({
  port: Number(values.port),
  host: values.host,
  appSecret: values['app-secret'],
  verifyToken: values['verify-token'],
  ...(webhookUrl !== undefined && { webhookUrl }),
  ...(values.unlimited && { switches: unlimited }),
  log: say,
})
const waba = simulator.addWaba({ id: values['waba-id'], name: values.name })
const number = simulator.addNumber({ waba_id: waba.id, phone_number_id: values['phone-number-id'], verified_name: values.name })
simulator.addToken({ token: values.token })

say(`Simulated Cloud API and phone: ${simulator.url}/
  META_GRAPH_URL=${simulator.url}
  phone_number_id ${number.id}   waba_id ${waba.id}   access_token ${values.token}`)

const stop = (): void => {
  simulator.close().then(
    () => process.exit(0),
    () => process.exit(1),
  )
}
process.once('SIGINT', stop)
process.once('SIGTERM', stop)
