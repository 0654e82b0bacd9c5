/** The producer over HTTP alone: it loads nothing of Redis. */
export type {
  BatchUpload,
  UploadAnswer,
  UploadedBadLine,
  UploadedConflict,
  UploadProgress,
} from "./batch-upload.ts";
export { fileBytes } from "./file-bytes.ts";
export { RemoteProducer, type RemoteProducerOptions } from "./remote-producer.ts";
