import { Gauge, type Registry } from 'prom-client'
import type { Pool } from 'pg'
import type { FleetMember } from '../postgres/fleet.ts'

/** Who is there and what this process holds. Asked at each scrape; labels are words of ours. */
export function watchFleet(registry: Registry, { pool, owner, members }: { pool: Pool; owner: string; members: () => readonly FleetMember[] }): void {
  const roles = ['api', 'worker', 'lite']
  registry.registerMetric(
    new Gauge({
      name: 'recado_processes',
      help: 'Processes of this installation that are there, by role; one may have several',
      labelNames: ['role'],
      registers: [],
      collect() {
        for (const role of roles) this.set({ role }, members().filter((one) => one.roles.includes(role)).length)
      },
    }),
  )
  registry.registerMetric(
    new Gauge({
      name: 'recado_lease_held',
      help: '1 for each process and read model that this process runs at present',
      labelNames: ['lease'],
      registers: [],
      async collect() {
        const { rows } = await pool.query<{ name: string }>(
          'select name from es.subscriptions where owner = $1 and lease_until > clock_timestamp() order by name',
          [owner],
        )
        this.reset()
        for (const { name } of rows) this.set({ lease: name }, 1)
      },
    }),
  )
}
