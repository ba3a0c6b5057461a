import type { EventBus } from './control/event-bus.ts'
import type { Outbox } from './webhooks/outbox.ts'
import type { Scheduler } from './world/scheduler.ts'
import type { Switches } from './world/switches.ts'
import type { Limits, World } from './world/world.ts'

/** What every part of the simulator works on. `switches` is changed in place. */
export type Sim = {
  readonly world: World
  readonly limits: Limits
  readonly switches: Switches
  readonly scheduler: Scheduler
  readonly events: EventBus
  readonly outbox: Outbox
  readonly log: (line: string) => void
}
