export { Client, type ClientOptions, type Job, type SubmitOptions, type UploadOptions } from "./client.js";
export { ClientError, JobFailed, type NodeProblem, Refused, Unreachable } from "./errors.js";
export {
  asInput,
  type End,
  type FileRef,
  filesIn,
  type JobEvent,
  type Json,
  type JsonObject,
  type Output,
} from "./events.js";
