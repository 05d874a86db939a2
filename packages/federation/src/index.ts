export { federationService } from './service.ts';
