import { Counter, type Registry } from 'prom-client'
import type { SendOutcome } from '../commands/ports/cloud-api.ts'
import { explain } from '../domain/conversation/provider-errors.ts'

type Sending = { readonly send: (...parameters: never[]) => Promise<SendOutcome> }

/** The same API, its answers to sends counted by what they came to and, for refusals, by class of the error: neither tenant nor number nor code. */
export function countingSends(registry: Registry): <Api extends Sending>(api: Api) => Api {
  const sends = new Counter({
    name: 'recado_provider_sends_total',
    help: 'Calls that send a message, by outcome and class of the error',
    labelNames: ['outcome', 'error_class'],
    registers: [registry],
  })
  return (api) => ({
    ...api,
    async send(...parameters: never[]) {
      const answer = await api.send(...parameters)
      const error_class = answer.outcome === 'rejected' ? explain(answer.error.code, answer.error.status).class : 'none'
      sends.inc({ outcome: answer.outcome, error_class })
      return answer
    },
  })
}
