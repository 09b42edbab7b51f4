import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Runs the nodes of one search server in this JVM until SIGTERM, SIGINT or a failure.
 *
 * <p>Arguments are {@code key=value}. Keys that begin with {@code launch.} are for this program,
 * all others are settings of the server. Who calls it with what: {@code launch.rs}.
 */
public final class Launch {
    private static final String OWN = "launch.";

    private final Map<String, String> own = new LinkedHashMap<>();
    private final Map<String, String> settings = new LinkedHashMap<>();

    public static void main(String[] arguments) throws InterruptedException {
        // Whoever started us parses standard output, so libraries must not write to it.
        PrintStream protocol = System.out;
        System.setOut(System.err);
        try {
            Cluster cluster = new Cluster(new Launch(arguments), protocol);
            Runtime.getRuntime().addShutdownHook(new Thread(cluster::close, "close"));
            cluster.open();
            if (cluster.size() > 1) {
                cluster.obey(System.in);
            }
        } catch (Throwable failure) {
            failure.printStackTrace();
            System.exit(1);
        }
        Thread.currentThread().join();
    }

    private Launch(String[] arguments) {
        for (String argument : arguments) {
            int equals = argument.indexOf('=');
            if (equals < 1) {
                throw new IllegalArgumentException("not of the form key=value: " + argument);
            }
            String key = argument.substring(0, equals);
            String value = argument.substring(equals + 1);
            if (key.startsWith(OWN)) {
                own.put(key.substring(OWN.length()), value);
            } else {
                settings.put(key, value);
            }
        }
    }

    String text(String key) {
        String value = own.get(key);
        if (value == null) {
            throw new IllegalArgumentException("missing: " + OWN + key + "=");
        }
        return value;
    }

    int number(String key) {
        return Integer.parseInt(text(key));
    }

    /** What the caller set for every node; wins over what {@link Cluster} works out. */
    Map<String, String> settings() {
        return settings;
    }
}
