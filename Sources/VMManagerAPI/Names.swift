public import DBus
public import VMModel

/// The names under which the service is found.
public enum BusNames {
    /// The well-known name on the system bus. Who sees it owned sees every VM: it is requested after the first full listing.
    public static let service = "org.neuronos.VMManager"
    /// The manager, which is also the root of the object tree (`org.freedesktop.DBus.ObjectManager`).
    public static let manager: ObjectPath = "/org/neuronos/VMManager"
    /// What stands before the code in the names of this service's errors.
    public static let errorPrefix = "org.neuronos.VMManager.Error."

    private static let vms: ObjectPath = "/org/neuronos/VMManager/vms"
    private static let jobs: ObjectPath = "/org/neuronos/VMManager/jobs"

    /// The object of a VM; it stays the same when the VM is renamed.
    public static func path(of uuid: VMUUID) -> ObjectPath {
        // A UUID's path element is made of hexadecimal digits and '_', so that this cannot fail.
        (try? vms.appending(uuid.pathElement)) ?? vms
    }

    /// The object of a job.
    public static func path(of job: JobID) -> ObjectPath {
        // A number's digits are a path element, so that this cannot fail.
        (try? jobs.appending(job.description)) ?? jobs
    }

    /// The job whose object this is; nil for any other path.
    public static func job(of path: ObjectPath) -> JobID? {
        guard path.parent == jobs, let element = path.elements.last, let number = UInt64(element) else { return nil }
        return JobID(rawValue: number)
    }

    /// The VM whose object this is; nil for any other path.
    public static func uuid(of path: ObjectPath) -> VMUUID? {
        guard path.parent == vms, let element = path.elements.last else { return nil }
        return VMUUID(pathElement: element.utf8)
    }
}
