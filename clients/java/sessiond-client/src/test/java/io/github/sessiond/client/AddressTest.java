package io.github.sessiond.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AddressTest {
  @ParameterizedTest
  @CsvSource({
    "http://sessiond,               dns:///sessiond:80,     PLAINTEXT, false",
    "http://sessiond:8480/,         dns:///sessiond:8480,   PLAINTEXT, false",
    "HTTPS://sessiond.example.com,  dns:///sessiond.example.com:443, TLS, false",
    "http://127.0.0.1:8480,         dns:///127.0.0.1:8480,  PLAINTEXT, true",
    "http://127.9.9.9,              dns:///127.9.9.9:80,    PLAINTEXT, true",
    "http://[::1]:8480,             dns:///[::1]:8480,      PLAINTEXT, true",
    "http://localhost:8480,         dns:///localhost:8480,  PLAINTEXT, true",
    "http://127.0.0.1.example.com,  dns:///127.0.0.1.example.com:80, PLAINTEXT, false",
    "http://localhost.example.com,  dns:///localhost.example.com:80, PLAINTEXT, false",
  })
  void urlsBecomeTargets(String url, String target, Security security, boolean local) {
    assertEquals(new Address(target, security, local), Address.parse(url, null));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "sessiond",
        "sessiond:8480",
        "ftp://sessiond",
        "dns:///sessiond:8480",
        "http://",
        "http:///path",
        "http://sessiond/path",
        "http://sessiond?query",
        "http://sessiond#fragment",
        "http://user:hunter2@sessiond",
        "http://sessiond:0",
        "http://sessiond:65536",
        "http://sess iond",
      })
  void otherAddressesAreRefused(String address) {
    var error =
        assertThrows(IllegalArgumentException.class, () -> Sessiond.connect(address).close());
    assertTrue(error.getMessage().contains("http://host[:port] or https://host[:port]"));
    assertFalse(error.getMessage().contains("hunter2"));
  }

  @Test
  void targetsNeedSecurity() {
    assertEquals(
        new Address("unix:///run/sessiond.sock", Security.PLAINTEXT, true),
        Address.parse("unix:///run/sessiond.sock", Security.PLAINTEXT));
    assertEquals(
        new Address("dns:///sessiond:8480", Security.TLS, false),
        Address.parse("dns:///sessiond:8480", Security.TLS));
    assertThrows(
        IllegalArgumentException.class, () -> Address.parse("http://sessiond", Security.TLS));
  }
}
