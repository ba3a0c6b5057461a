import { createCloudApi } from '../../src/adapters/whatsapp-cloud/cloud-api.ts'
import { startProcess } from '../support/sending.ts'

/** A sender in a process of its own, to be killed: `node sender-process.ts <database url> <master key> <graph url>`. It says "sending" when it has begun. */
const [url = '', masterKey = '', graphUrl = ''] = process.argv.slice(2)

const here = await startProcess({ url, masterKey: Buffer.from(masterKey, 'hex') })
here.startSender({
  cloudApi: createCloudApi({ graphUrl, version: 'v26.0' }),
  accountOf: async (_tenantId, channelId) => ({ phoneNumberId: channelId, wabaId: '200000000000001', accessToken: 'a-token-of-the-test' }),
  // Nobody has to wait for the limits of Meta here: what is tried is the killing.
  limits: { perSecond: 1_000, pair: { perSecond: 100, burst: 1_000 }, atOnce: 256 },
  times: { leaseMs: 2_500, pollMs: 200, idleMs: 30_000 },
})
process.stdout.write('sending\n')
