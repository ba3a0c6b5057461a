import type { Clock } from '../../domain/kernel/clock.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import type { RaiseAlert } from './alerts.ts'

export const parkedAlertKey = (projection: string): string => `projection_parked:${projection}`

/** Tells each tenant that something of theirs is parked; one alert per read model, however much there is. */
export function createParkedAlarm({ raiseAlert, clock, onError }: { raiseAlert: RaiseAlert; clock: Clock; onError: (error: unknown) => void }) {
  return ({ projection, tenantIds }: { readonly projection: string; readonly tenantIds: readonly string[] }): void => {
    const at = clock()
    for (const tenantId of tenantIds) {
      const commandId = derivedId('projection-parked', projection, tenantId, at.toISOString())
      raiseAlert(
        {
          key: parkedAlertKey(projection),
          severity: 'warning',
          code: 'projection_parked',
          title: `Part of what is shown (${projection}) stands still`,
          detail: `An event could not be applied and waits for a person: GET /v1/projections/${projection}/parked.`,
          entity: { type: 'projection', id: projection },
        },
        { tenantId, actor: { kind: 'process', id: 'projections' }, commandId, correlationId: commandId, causationId: commandId, at },
      ).catch(onError)
    }
  }
}
