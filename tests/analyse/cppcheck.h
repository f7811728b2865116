/* tests/analyse/cppcheck.h - what cppcheck would have to find in the system's headers, which it is not
 * given; included in front of every file. */
#define MODA_ISA_SUFFIX ref
#define json_array_foreach(array, i, value) \
    for ((i) = 0; (i) < json_array_size(array) && ((value) = json_array_get(array, i)); (i)++)
#define json_object_foreach(object, key, value)                                        \
    for ((key) = first_key(object); (key) && ((value) = json_object_get(object, key)); \
         (key) = next_key(object, key))
