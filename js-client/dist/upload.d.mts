import type { Data, Options, PushError } from "./client.mjs";
/** How far an upload is. */
export interface UploadProgress {
    /** What the server calls it, once it knows of it. With this and the same file, another call goes on where this one ended. */
    readonly url: string | undefined;
    /** How many bytes the server has. */
    readonly sent: number;
    readonly total: number;
    /** Why it waits before it tries again; undefined while it goes on. */
    readonly error: PushError | undefined;
}
export interface UploadOptions extends Pick<Options, "token" | "fetch" | "backoff"> {
    /**
     * The `url` of an earlier call's progress: sends what the server lacks of the same blob. If the server has forgotten it, the upload
     * begins again.
     */
    url?: string | undefined;
    /** What the server is to call the file. Default: the name of a `File`. */
    name?: string | undefined;
    /** Stops; the server keeps what it has for a while. */
    signal?: AbortSignal | undefined;
    onProgress?: ((progress: UploadProgress) => void) | undefined;
}
/**
 * Uploads a file to a route that takes resumable uploads, in pieces, and resolves to the data of the server's reply. What fails on
 * the way is tried again, from where the server is, until it succeeds, the server refuses for good, or `signal` is aborted. Rejects
 * with a {@link PushError}: `closed` after an abort, `conflict` if the server has begun another file by this `url`, `unreadable` if
 * the file has changed.
 */
export declare function upload(to: string | URL, blob: Blob, options?: UploadOptions): Promise<Data | undefined>;
/** Has the server forget an upload, by the `url` of its progress. */
export declare function discard(url: string, options?: Pick<UploadOptions, "token" | "fetch">): Promise<void>;
