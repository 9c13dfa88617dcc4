package io.github.sessiond.servlet;

/**
 * A request cannot be served: see {@link #refusal()}. The filters of {@link Sessions} answer it, so
 * handlers need not catch it.
 */
public final class SessionRefusedException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final transient Refusal refusal;

  SessionRefusedException(Refusal refusal, Throwable cause) {
    super(refusal.status() + " " + refusal.reason() + ": " + refusal.error().message(), cause);
    this.refusal = refusal;
  }

  /**
   * What to answer.
   *
   * @return the refusal
   */
  public Refusal refusal() {
    return refusal;
  }
}
