/** What a file of one's own imports from 'recado': see docs/how-to/custom-projections.md. */
export { dayOf, hourOf, opened, project, secondsBetween } from './projections/custom/project.ts'
export type { CustomProjection, EventEnvelope } from './projections/custom/project.ts'
export type { DomainEvent, EventType } from './domain/catalogue.ts'
